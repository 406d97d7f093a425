import { crc32 } from 'node:zlib';

/** How every API key begins, for people and for secret scanners. */
export const API_KEY_PREFIX = 'tnt_';
/** Tenant UUID (16), key id UUID (16), random bytes (18), MAC (16). */
export const API_KEY_BYTES = 66;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PAYLOAD_LENGTH = 89;
const CHECKSUM_LENGTH = 6;
const LENGTH = API_KEY_PREFIX.length + PAYLOAD_LENGTH + CHECKSUM_LENGTH;
const SHAPE = new RegExp(`^${API_KEY_PREFIX}[0-9A-Za-z]{${PAYLOAD_LENGTH + CHECKSUM_LENGTH}}$`);

/**
 * Writes an API key: prefix, the bytes in base62, and a CRC-32 (ISO 3309) of all that in base62.
 *
 * The checksum lets a scanner tell a key from noise without asking us; it proves nothing. Authenticity is in the MAC,
 * which the caller makes and checks.
 *
 * @param bytes exactly {@link API_KEY_BYTES}
 * @throws RangeError for any other length
 */
export function encodeApiKey(bytes: Buffer): string {
  if (bytes.length !== API_KEY_BYTES) throw new RangeError(`An API key has ${API_KEY_BYTES} bytes.`);
  const body = API_KEY_PREFIX + toBase62(BigInt(`0x${bytes.toString('hex')}`), PAYLOAD_LENGTH);
  return body + checksum(body);
}

/**
 * Reads what {@link encodeApiKey} wrote. Never throws. A text of another length costs nothing; all others cost the
 * same few microseconds, and no secret is compared.
 *
 * @returns the bytes, or undefined when length, alphabet, checksum or range is wrong
 */
export function decodeApiKey(text: string): Buffer | undefined {
  if (text.length !== LENGTH || !SHAPE.test(text)) return undefined;
  const body = text.slice(0, -CHECKSUM_LENGTH);
  if (checksum(body) !== text.slice(-CHECKSUM_LENGTH)) return undefined;
  const hex = fromBase62(body.slice(API_KEY_PREFIX.length))
    .toString(16)
    .padStart(API_KEY_BYTES * 2, '0');
  // 62^89 is a little more than 2^528: what lies between is a number, and no key.
  return hex.length === API_KEY_BYTES * 2 ? Buffer.from(hex, 'hex') : undefined;
}

function checksum(body: string): string {
  return toBase62(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

function toBase62(value: bigint, length: number): string {
  let digits = '';
  for (let rest = value; digits.length < length; rest /= 62n) digits = ALPHABET.charAt(Number(rest % 62n)) + digits;
  return digits;
}

function fromBase62(digits: string): bigint {
  let value = 0n;
  for (const digit of digits) value = value * 62n + BigInt(ALPHABET.indexOf(digit));
  return value;
}
