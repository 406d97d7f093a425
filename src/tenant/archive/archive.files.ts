import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { isUuid } from '../../common/index.js';
import { ArchiveInvalid } from './archive.errors.js';

/** Bytes in a line. */
const CHUNK = 64 * 1024;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** What an archive has of bytes that lie outside of the database. */
export interface FileSums {
  /** Files that are in it. */
  count: number;
  bytes: number;
  /** Files of which there is a row and nothing else. */
  missing: number;
}

/** A row whose bytes lie outside of the database. */
export interface FileOfRow {
  table: string;
  /** Of the row. */
  id: string;
}

export interface FileSum {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Writes files behind the tables: `{"file"}`, lines with bytes in base64, `{"bytes", "sha256"}`. */
export class FileWriter {
  readonly sums: FileSums = { count: 0, bytes: 0, missing: 0 };

  /** @param source undefined when there is nothing */
  async *lines(file: FileOfRow, source: Readable | undefined): AsyncGenerator<Buffer> {
    if (!source) {
      this.sums.missing += 1;
      return;
    }
    yield line({ file });
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      for (let from = 0; from < chunk.length; from += CHUNK) {
        yield line([chunk.subarray(from, from + CHUNK).toString('base64')]);
      }
    }
    this.sums.count += 1;
    this.sums.bytes += bytes;
    yield line({ bytes, sha256: hash.digest('hex') });
  }
}

/** Reads them, checking sums on the way. */
export class FileReader {
  readonly sums: FileSums = { count: 0, bytes: 0, missing: 0 };
  private present: { hash: Hash; bytes: number } | undefined;

  get isOpen(): boolean {
    return this.present !== undefined;
  }

  /** @throws ArchiveInvalid */
  begin(value: unknown): FileOfRow {
    const { table, id } = (value ?? {}) as Partial<FileOfRow>;
    if (typeof table !== 'string' || !isUuid(id)) throw new ArchiveInvalid('a file of it belongs to no row');
    this.present = { hash: createHash('sha256'), bytes: 0 };
    return { table, id };
  }

  /** @throws ArchiveInvalid */
  chunk(value: unknown[]): Buffer {
    const [text] = value;
    if (value.length !== 1 || typeof text !== 'string' || !BASE64.test(text)) {
      throw new ArchiveInvalid('bytes of a file in it are none');
    }
    const bytes = Buffer.from(text, 'base64');
    this.present!.hash.update(bytes);
    this.present!.bytes += bytes.length;
    return bytes;
  }

  /** @throws ArchiveInvalid */
  end(value: Record<string, unknown>): FileSum {
    const { hash, bytes } = this.present!;
    const sum = { bytes, sha256: hash.digest('hex') };
    if (value['bytes'] !== sum.bytes || value['sha256'] !== sum.sha256) {
      throw new ArchiveInvalid('the bytes of a file are not those that were put in');
    }
    this.present = undefined;
    this.sums.count += 1;
    this.sums.bytes += bytes;
    return sum;
  }
}

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
