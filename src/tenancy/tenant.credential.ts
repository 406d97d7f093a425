import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { bytesToUuid, type KeyRing, sha256, uuidToBytes } from '../common/index.js';

const KINDS = { session: 1, cursor: 2 } as const;
export type CredentialKind = 'session';

const RANDOM_BYTES = 18;
const MAC_BYTES = 16;
/** Credentials whose MAC was checked before; the check costs more than the look-up. */
const VERIFIED_SIZE = 100_000;
const LENGTH = 1 + 16 + RANDOM_BYTES + MAC_BYTES;

interface Verified {
  kind: CredentialKind;
  tenantId: string;
  hash: Buffer;
}

/**
 * Opaque credentials that route themselves: kind, tenant UUID, 144 random bits and a truncated HMAC-SHA-256 over all of
 * it (RFC 2104), in base64url. Only {@link hash} of one is ever stored.
 */
export class CredentialCodec {
  readonly #key: KeyObject;
  readonly #verified = new LRUCache<string, Verified>({ max: VERIFIED_SIZE });

  constructor(keys: KeyRing) {
    this.#key = createSecretKey(keys.derive('credential-mac'));
  }

  mint(kind: CredentialKind, tenantId: string): string {
    const body = Buffer.concat([Buffer.of(KINDS[kind]), uuidToBytes(tenantId), randomBytes(RANDOM_BYTES)]);
    return Buffer.concat([body, this.mac(body)]).toString('base64url');
  }

  /** @returns the tenant that the credential was minted for, or undefined if it is not authentic */
  tenantOf(kind: CredentialKind, text: string): string | undefined {
    const known = this.#verified.get(text);
    if (known?.kind === kind) return known.tenantId;
    if (text.length !== Math.ceil((LENGTH * 4) / 3) || !/^[\w-]+$/.test(text)) return undefined;
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length !== LENGTH || bytes[0] !== KINDS[kind]) return undefined;
    const body = bytes.subarray(0, LENGTH - MAC_BYTES);
    if (!timingSafeEqual(this.mac(body), bytes.subarray(LENGTH - MAC_BYTES))) return undefined;
    const tenantId = bytesToUuid(bytes.subarray(1, 17));
    this.#verified.set(text, { kind, tenantId, hash: sha256(text) });
    return tenantId;
  }

  /** @returns SHA-256, the only form in which a credential is stored */
  hash(text: string): Buffer {
    return this.#verified.get(text)?.hash ?? sha256(text);
  }

  /** A page cursor bound to its tenant and owner (for example a session's id): of no use anywhere else. */
  sealCursor(tenantId: string, owner: string, position: string): string {
    const mac = this.cursorMac(tenantId, owner, position);
    return Buffer.concat([uuidToBytes(position), mac]).toString('base64url');
  }

  /** @returns the position, or undefined if the cursor is not authentic here */
  openCursor(tenantId: string, owner: string, cursor: string): string | undefined {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length !== 16 + MAC_BYTES) return undefined;
    const position = bytesToUuid(bytes.subarray(0, 16));
    return timingSafeEqual(this.cursorMac(tenantId, owner, position), bytes.subarray(16)) ? position : undefined;
  }

  private cursorMac(tenantId: string, owner: string, position: string): Buffer {
    return this.mac(Buffer.from(`${KINDS.cursor}:${tenantId}:${owner}:${position}`));
  }

  private mac(body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, MAC_BYTES);
  }
}
