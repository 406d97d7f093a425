import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { uuidToBytes } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals payloads by AES-256-GCM (NIST SP 800-38D) under a key derived from MASTER_KEY. Tenant and row are
 * authenticated with it, so that a payload copied into another row does not open.
 */
@Injectable()
export class OutboxSeal {
  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  seal(tenantId: string, id: string, text: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key(), nonce).setAAD(bind(tenantId, id));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws Error when the payload was changed, is another row's, or was sealed under another key */
  open(tenantId: string, id: string, sealed: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.key(), sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    }).setAAD(bind(tenantId, id));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const rest = sealed.subarray(NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(rest), decipher.final()]).toString('utf8');
  }

  private key(): Buffer {
    return this.database.keys.derive('outbox');
  }
}

function bind(tenantId: string, id: string): Buffer {
  return Buffer.concat([uuidToBytes(tenantId), uuidToBytes(id)]);
}
