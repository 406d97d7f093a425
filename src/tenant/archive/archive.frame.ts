import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import type { Duplex } from 'node:stream';
import zlib from 'node:zlib';
import { sha256 } from '../../common/index.js';
import { ArchiveInvalid, ArchiveSealed } from './archive.errors.js';

/**
 * An archive's outermost layer: a line that says what it is, a line of JSON that says how to open it, and the body,
 * compressed and then, when there is a key, sealed in chunks.
 *
 * Each chunk is AES-256-GCM under a nonce of its number and whether it is the last (STREAM: Hoang, Reyhanitabar, Rogaway and
 * Vizár, CRYPTO 2015), with the header authenticated in each. So chunks cannot be left out, added, reordered or taken from
 * another archive. The key is one of this archive alone, by its salt, so nonces are used once.
 */
export const MAGIC = 'tenantry-archive 1\n';
const MAX_HEADER = 4096;
const CHUNK = 64 * 1024;
const TAG = 16;
const LAST = 0x8000_0000;
/** RFC 7914; about 128 MiB and 0.3 s for each guess. */
const SCRYPT = { n: 2 ** 17, r: 8, p: 1 } as const;

export const COMPRESSIONS = ['zstd', 'gzip'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

export interface Encryption {
  kdf: 'scrypt' | 'key';
  n?: number;
  r?: number;
  p?: number;
  /** Base64. */
  salt: string;
}

export interface FrameHeader {
  compression: Compression;
  encryption: Encryption | null;
}

/** What an archive is sealed under. A key is derived anew for each archive. */
export type Sealer = { passphrase: string } | { derive(salt: Buffer): Buffer };

const derivation = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export async function newFrame(
  compression: Compression,
  sealer: Sealer | undefined,
): Promise<{ head: Buffer; seal: (body: AsyncIterable<Buffer>) => AsyncIterable<Buffer> }> {
  const salt = randomBytes(32);
  const kdf = sealer && 'passphrase' in sealer ? ({ kdf: 'scrypt', ...SCRYPT } as const) : ({ kdf: 'key' } as const);
  const encryption = sealer ? { ...kdf, salt: salt.toString('base64') } : null;
  const header: FrameHeader = { compression, encryption };
  const head = Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`);
  if (!sealer) return { head, seal: (body) => body };
  const key = await keyOf(sealer, encryption!);
  return { head, seal: (body) => sealed(body, key, sha256(head)) };
}

/**
 * Opens an archive as far as its compressed body.
 *
 * @throws ArchiveInvalid, ArchiveSealed, here or from what is returned
 */
export async function openFrame(
  source: AsyncIterable<Buffer>,
  sealer: Sealer | undefined,
): Promise<{ header: FrameHeader; body: AsyncIterable<Buffer> }> {
  const bytes = new ByteReader(source);
  if ((await bytes.take(MAGIC.length))?.toString('latin1') !== MAGIC) throw new ArchiveInvalid('it is none');
  const line = await bytes.line(MAX_HEADER);
  const header = headerOf(line);
  if (!header.encryption) return { header, body: bytes.rest() };
  if (!sealer) throw new ArchiveSealed('The archive is encrypted.');
  if ((header.encryption.kdf === 'scrypt') !== 'passphrase' in sealer) {
    throw new ArchiveSealed('The archive is encrypted under another kind of key.');
  }
  const key = await keyOf(sealer, header.encryption);
  const about = sha256(Buffer.concat([Buffer.from(MAGIC), line, Buffer.from('\n')]));
  return { header, body: unsealed(bytes, key, about) };
}

export function compressor(compression: Compression): Duplex {
  return compression === 'gzip' ? zlib.createGzip() : zlib.createZstdCompress();
}

export function decompressor(compression: Compression): Duplex {
  return compression === 'gzip' ? zlib.createGunzip() : zlib.createZstdDecompress();
}

async function keyOf(sealer: Sealer, { salt, n, r, p }: Encryption): Promise<Buffer> {
  const bytes = Buffer.from(salt, 'base64');
  if ('derive' in sealer) return sealer.derive(bytes);
  return derivation(sealer.passphrase.normalize('NFKC'), bytes, 32, { N: n, r, p, maxmem: 256 * 2 ** 20 });
}

/** What it asks of us is bounded: a header is not yet authenticated when it is read. */
function headerOf(line: Buffer): FrameHeader {
  let header: Partial<FrameHeader>;
  try {
    header = JSON.parse(line.toString('utf8')) as Partial<FrameHeader>;
  } catch (error) {
    throw new ArchiveInvalid('its header is none', error);
  }
  const { compression, encryption } = header ?? {};
  const known = COMPRESSIONS.includes(compression as Compression);
  if (!known || encryption === undefined) throw new ArchiveInvalid('its header is none');
  if (encryption === null) return { compression: compression!, encryption };
  const { kdf, salt, n, r, p } = encryption;
  const asked = kdf === 'key' || (kdf === 'scrypt' && n === SCRYPT.n && r === SCRYPT.r && p === SCRYPT.p);
  if (!asked || typeof salt !== 'string' || Buffer.from(salt, 'base64').length !== 32) {
    throw new ArchiveInvalid('its encryption is unknown');
  }
  return { compression: compression!, encryption };
}

function nonceOf(count: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(count), 0);
  nonce.writeUInt8(last ? 1 : 0, 11);
  return nonce;
}

async function* sealed(body: AsyncIterable<Buffer>, key: Buffer, about: Buffer): AsyncIterable<Buffer> {
  let count = 0;
  const chunk = (plain: Buffer, last: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(count++, last)).setAAD(about);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(((last ? LAST : 0) | plain.length) >>> 0);
    return Buffer.concat([length, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const piece of body) {
    waiting.push(piece);
    size += piece.length;
    if (size <= CHUNK) continue;
    let rest = Buffer.concat(waiting);
    for (; rest.length > CHUNK; rest = rest.subarray(CHUNK)) yield chunk(rest.subarray(0, CHUNK), false);
    waiting = [rest];
    size = rest.length;
  }
  yield chunk(Buffer.concat(waiting), true);
}

async function* unsealed(bytes: ByteReader, key: Buffer, about: Buffer): AsyncIterable<Buffer> {
  for (let count = 0; ; count += 1) {
    const word = (await bytes.take(4))?.readUInt32BE();
    if (word === undefined) throw new ArchiveInvalid('it is cut short');
    const last = word >= LAST;
    const length = last ? word - LAST : word;
    if (length > CHUNK) throw new ArchiveInvalid('it was changed');
    const chunk = await bytes.take(length + TAG);
    if (!chunk) throw new ArchiveInvalid('it is cut short');
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(count, last), { authTagLength: TAG });
    decipher.setAAD(about).setAuthTag(chunk.subarray(length));
    let plain: Buffer;
    try {
      plain = Buffer.concat([decipher.update(chunk.subarray(0, length)), decipher.final()]);
    } catch {
      throw count === 0
        ? new ArchiveSealed('The passphrase or key is not that of the archive, or the archive was changed.')
        : new ArchiveInvalid('it was changed');
    }
    yield plain;
    if (!last) continue;
    if (await bytes.take(1)) throw new ArchiveInvalid('something comes after its end');
    return;
  }
}

/** Bytes in pieces of the reader's choice. */
class ByteReader {
  private readonly source: AsyncIterator<Buffer>;
  private held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** @returns undefined when there are no more so many */
  async take(count: number): Promise<Buffer | undefined> {
    if (!(await this.hold(count))) return undefined;
    const taken = this.held.subarray(0, count);
    this.held = this.held.subarray(count);
    return taken;
  }

  async line(most: number): Promise<Buffer> {
    let size = 64;
    while (!this.held.includes(10) && size < most && (await this.hold(size))) size *= 2;
    const end = this.held.indexOf(10);
    if (end === -1 || end > most) throw new ArchiveInvalid('its header is none');
    const line = this.held.subarray(0, end);
    this.held = this.held.subarray(end + 1);
    return line;
  }

  async *rest(): AsyncIterable<Buffer> {
    if (this.held.length > 0) yield this.held;
    for (let next = await this.source.next(); next.done !== true; next = await this.source.next()) yield next.value;
  }

  private async hold(count: number): Promise<boolean> {
    const pieces: Buffer[] = [this.held];
    let size = this.held.length;
    while (size < count) {
      const next = await this.source.next();
      if (next.done === true) break;
      pieces.push(next.value);
      size += next.value.length;
    }
    if (pieces.length > 1) this.held = Buffer.concat(pieces);
    return size >= count;
  }
}
