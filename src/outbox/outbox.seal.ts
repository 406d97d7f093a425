import { Inject, Injectable } from '@nestjs/common';
import { seal, unseal, uuidToBytes } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';

/**
 * Seals payloads under a key derived from MASTER_KEY. Tenant and row are authenticated with it, so that a payload
 * copied into another row does not open.
 */
@Injectable()
export class OutboxSeal {
  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  seal(tenantId: string, id: string, text: string): Buffer {
    return seal(this.key(), text, bind(tenantId, id));
  }

  /** @throws Error when the payload was changed, is another row's, or was sealed under another key */
  open(tenantId: string, id: string, sealed: Buffer): string {
    return unseal(this.key(), sealed, bind(tenantId, id)).toString('utf8');
  }

  private key(): Buffer {
    return this.database.keys.derive('outbox');
  }
}

function bind(tenantId: string, id: string): Buffer {
  return Buffer.concat([uuidToBytes(tenantId), uuidToBytes(id)]);
}
