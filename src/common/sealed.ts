import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of an empty text that is sealed. */
export const SEALED_BYTES = NONCE_BYTES + TAG_BYTES;

/**
 * Seals a text with AES-256-GCM (NIST SP 800-38D).
 *
 * @param key 32 bytes @param about what the text belongs to; it opens only with the same
 */
export function seal(
  key: Buffer,
  text: string | Buffer,
  about: string | Buffer = '',
  nonce: Buffer = randomBytes(NONCE_BYTES),
): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bytesOf(about));
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/** @throws Error when the key or `about` is another, or the bytes were changed */
export function unseal(key: Buffer, sealed: Buffer, about: string | Buffer = ''): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  }).setAAD(bytesOf(about));
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
}

function bytesOf(about: string | Buffer): Buffer {
  return typeof about === 'string' ? Buffer.from(about) : about;
}
