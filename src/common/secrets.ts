import { createHash, hkdfSync } from 'node:crypto';

/** Derives purpose-bound keys from the one `MASTER_KEY` (HKDF-SHA-256, RFC 5869). */
export class KeyRing {
  readonly #master: Buffer;
  readonly #derived = new Map<string, Buffer>();

  constructor(masterKey: string) {
    this.#master = Buffer.from(masterKey, 'utf8');
  }

  /** @param purpose names the use, so that no two uses share a key; @returns 32 bytes */
  derive(purpose: string): Buffer {
    let key = this.#derived.get(purpose);
    if (!key) {
      key = Buffer.from(hkdfSync('sha256', this.#master, 'tenantry', purpose, 32));
      this.#derived.set(purpose, key);
    }
    return key;
  }

  /** Tells one master key from another without revealing it. */
  fingerprint(): string {
    return createHash('sha256').update(this.derive('fingerprint')).digest('hex').slice(0, 16);
  }
}

export function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}
