import { createHash, hkdfSync } from 'node:crypto';

/** Derives purpose-bound keys from one secret (HKDF-SHA-256, RFC 5869). */
export class KeyRing {
  readonly #secret: Buffer;
  readonly #derived = new Map<string, Buffer>();

  /** @param secret a text counts as its UTF-8 bytes */
  constructor(secret: string | Buffer) {
    this.#secret = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret;
  }

  /** @param purpose names the use, so that no two uses share a key; @returns 32 bytes */
  derive(purpose: string): Buffer {
    let key = this.#derived.get(purpose);
    if (!key) {
      key = Buffer.from(hkdfSync('sha256', this.#secret, 'tenantry', purpose, 32));
      this.#derived.set(purpose, key);
    }
    return key;
  }

  /** Tells one secret from another without revealing it. */
  fingerprint(): string {
    return createHash('sha256').update(this.derive('fingerprint')).digest('hex').slice(0, 16);
  }
}

export function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}
