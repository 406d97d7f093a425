import { createHash, type Hash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { ArchiveInvalid } from './archive.errors.js';
import { type FileOfRow, FileReader, type FileSum, type FileSums } from './archive.files.js';
import { decompressor, openFrame, type Sealer } from './archive.frame.js';
import { type Manifest, manifestOf } from './archive.manifest.js';

/** Bytes of a line at most: one row, or the manifest. Whoever reads an archive holds no more than a few of them. */
const MAX_LINE = 64 * 2 ** 20;
const MAX_TABLES = 1000;

export interface TableSum {
  rows: number;
  /** SHA-256 over the lines of its rows, hexadecimal. */
  sha256: string;
}

/** The last line. */
export interface ArchiveEnd {
  rows: number;
  tables: Record<string, TableSum>;
  /** Where there are any. */
  files?: FileSums;
}

/** What comes out of an archive, in order. Rows are texts of PostgreSQL, by position as the columns of their table. */
export type ArchivePart =
  | { kind: 'manifest'; manifest: Manifest }
  | { kind: 'table'; table: string; columns: string[] }
  | { kind: 'rows'; rows: Row[] }
  | ({ kind: 'file' } & FileOfRow)
  | { kind: 'bytes'; bytes: Buffer }
  | ({ kind: 'file-end' } & FileSum)
  | { kind: 'end'; end: ArchiveEnd };
export type Row = (string | null)[];

export class LineWriter {
  private readonly sums = new Map<string, TableSum>();
  private table: { name: string; hash: Hash; rows: number } | undefined;

  manifest(manifest: Manifest): Buffer {
    return line({ manifest });
  }

  begin(name: string, columns: string[]): Buffer {
    this.table = { name, hash: createHash('sha256'), rows: 0 };
    return line({ table: name, columns });
  }

  /** @param lines each a JSON array */
  rows(lines: string[]): Buffer {
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    this.table!.hash.update(bytes);
    this.table!.rows += lines.length;
    return bytes;
  }

  close(): Buffer {
    const { name, hash, rows } = this.table!;
    const sum = { rows, sha256: hash.digest('hex') };
    this.sums.set(name, sum);
    return line(sum);
  }

  end(files: FileSums = { count: 0, bytes: 0, missing: 0 }): { bytes: Buffer; end: ArchiveEnd } {
    const end = endOf(this.sums, files);
    return { bytes: line({ end }), end };
  }
}

function endOf(sums: ReadonlyMap<string, TableSum>, files: FileSums): ArchiveEnd {
  const rows = [...sums.values()].reduce((all, sum) => all + sum.rows, 0);
  const some = files.count + files.missing > 0;
  return { rows, tables: Object.fromEntries(sums), ...(some && { files: { ...files } }) };
}

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/**
 * Reads an archive from its first byte to its last, holding some rows at a time. Sums and order are checked on the way, so
 * what was read is good only once the end has come.
 *
 * @throws ArchiveInvalid, ArchiveSealed
 */
export async function* readArchive(source: Readable, sealer: Sealer | undefined): AsyncGenerator<ArchivePart> {
  const { header, body } = await openFrame(source, sealer).catch((error: unknown) => {
    // Else its file stays open, and its space on the disk taken after it is deleted.
    source.destroy();
    throw error;
  });
  const state = new ArchiveReader();
  const opened = decompressor(header.compression);
  const encoded = Readable.from(body, { objectMode: false });
  // What goes wrong in one of them ends the others, and comes out of the last.
  pipeline(encoded, opened, () => source.destroy());
  try {
    for await (const lines of linesOf(opened as AsyncIterable<Buffer>)) yield* state.take(lines);
  } catch (error) {
    throw error instanceof Error && 'code' in error && /^(Z_|ZSTD|ERR_ZSTD|ERR_Z)/.test(String(error.code))
      ? new ArchiveInvalid('it is cut short or was changed', error)
      : error;
  }
  state.finish();
}

async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let begun: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    const last = chunk.lastIndexOf(10);
    if (last === -1) {
      begun.push(chunk);
      size += chunk.length;
      if (size > MAX_LINE) throw new ArchiveInvalid('a line of it is too long');
      continue;
    }
    const whole = Buffer.concat([...begun, chunk.subarray(0, last)]);
    begun = [chunk.subarray(last + 1)];
    size = begun[0]!.length;
    const lines: Buffer[] = [];
    for (let from = 0; from <= whole.length;) {
      const end = whole.indexOf(10, from);
      lines.push(whole.subarray(from, end === -1 ? whole.length : end));
      from = end === -1 ? whole.length + 1 : end + 1;
    }
    yield lines;
  }
  if (size > 0) throw new ArchiveInvalid('it is cut short');
}

class ArchiveReader {
  private manifest: Manifest | undefined;
  private readonly sums = new Map<string, TableSum>();
  private readonly files = new FileReader();
  private table: { name: string; columns: number; hash: Hash; rows: number } | undefined;
  private ended = false;

  *take(lines: Buffer[]): Generator<ArchivePart> {
    let rows: Row[] = [];
    for (const bytes of lines) {
      if (this.ended) throw new ArchiveInvalid('something comes after its end');
      const value = parse(bytes);
      if (Array.isArray(value) && this.files.isOpen) {
        yield { kind: 'bytes', bytes: this.files.chunk(value) };
        continue;
      }
      if (Array.isArray(value)) {
        rows.push(this.row(value, bytes));
        continue;
      }
      if (rows.length > 0) yield { kind: 'rows', rows };
      rows = [];
      const part = this.marker(value as Record<string, unknown>);
      if (part) yield part;
    }
    if (rows.length > 0) yield { kind: 'rows', rows };
  }

  finish(): void {
    if (!this.ended) throw new ArchiveInvalid('it is cut short');
  }

  private row(value: unknown[], bytes: Buffer): Row {
    if (!this.table) throw new ArchiveInvalid('it has rows of no table');
    if (value.length !== this.table.columns || !value.every((one) => one === null || typeof one === 'string')) {
      throw new ArchiveInvalid(`a row of ${this.table.name} is none`);
    }
    this.table.hash.update(bytes).update('\n');
    this.table.rows += 1;
    return value;
  }

  private marker(value: Record<string, unknown>): ArchivePart | undefined {
    if (!this.manifest) return { kind: 'manifest', manifest: (this.manifest = manifestOf(value['manifest'])) };
    if (this.table) {
      const sum = { rows: this.table.rows, sha256: this.table.hash.digest('hex') };
      if (value['rows'] !== sum.rows || value['sha256'] !== sum.sha256) {
        throw new ArchiveInvalid(`the rows of ${this.table.name} are not those that were put in`);
      }
      this.sums.set(this.table.name, sum);
      this.table = undefined;
      return undefined;
    }
    if (this.files.isOpen) return { kind: 'file-end', ...this.files.end(value) };
    const { table, columns, file, end } = value;
    if (file !== undefined) return { kind: 'file', ...this.files.begin(file) };
    if (typeof table === 'string' && isNames(columns)) {
      if (this.sums.has(table)) throw new ArchiveInvalid(`it has the table ${named(table)} twice`);
      if (this.sums.size >= MAX_TABLES) throw new ArchiveInvalid('it has too many tables');
      this.table = { name: table, columns: columns.length, hash: createHash('sha256'), rows: 0 };
      return { kind: 'table', table, columns };
    }
    return { kind: 'end', end: this.close(end) };
  }

  private close(value: unknown): ArchiveEnd {
    const end = value as ArchiveEnd | undefined;
    // How many are missing only the writer knows.
    const missing = end?.files?.missing ?? 0;
    if (!Number.isSafeInteger(missing) || missing < 0) throw new ArchiveInvalid('its end says nothing');
    const same = JSON.stringify(endOf(this.sums, { ...this.files.sums, missing })) === JSON.stringify(end);
    if (!same) throw new ArchiveInvalid('its end does not fit what comes before');
    this.ended = true;
    return end!;
  }
}

/** Of a name in an archive, as much as may stand in a message. */
export function named(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function isNames(value: unknown): value is string[] {
  const names = Array.isArray(value) && value.length <= 1600 && value.every((name) => typeof name === 'string');
  return names && new Set(value).size === value.length;
}

function parse(bytes: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new ArchiveInvalid('a line of it is not JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw new ArchiveInvalid('a line of it says nothing');
  return value;
}
