import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, opendir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Readable, Writable } from 'node:stream';
import { isUuid, newId } from '../common/index.js';
import { type ByteRange, ObjectStorage, type StorageUse, type WrittenObject } from './object.storage.js';

const PART = '.part';
/** One that nobody has written to for so long is abandoned, in ms: a process that writes one is never silent for it. */
const ABANDONED_MS = 60 * 60 * 1000;

/** To begin an object. */
const ATTEMPTS = 5;
/** Names that are told at once. */
const PAGE = 500;

/** Objects in a folder, one below it for each tenant. */
export class DirectoryStorage extends ObjectStorage {
  constructor(
    private readonly root: string,
    private readonly use: Pick<StorageUse, 'suffix'>,
  ) {
    super();
  }

  async write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenObject<T>> {
    const folder = this.folderOf(tenantId);
    // Of this attempt alone, so that two that believe to be the only one do not write into one another.
    const part = path.join(folder, `${id}.${newId()}${PART}`);
    const discard = (): Promise<void> => rm(part, { force: true });
    const out = new DurableFile(await created(folder, part));
    try {
      const made = await work(out);
      const keep = async (): Promise<void> => {
        await rename(part, this.fileOf(tenantId, id));
        await syncFolder(folder);
        await syncFolder(path.dirname(folder));
      };
      return { bytes: out.bytes, sha256: out.sha256, made, keep, discard };
    } catch (error) {
      out.destroy();
      await discard();
      throw error;
    }
  }

  async open(tenantId: string, id: string, range?: ByteRange): Promise<Readable | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.fileOf(tenantId, id));
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
    return handle.createReadStream(range && { start: range.first, end: range.last });
  }

  async has(tenantId: string, id: string): Promise<boolean> {
    try {
      return (await stat(this.fileOf(tenantId, id))).isFile();
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  fileOf(tenantId: string, id: string): string {
    return path.join(this.folderOf(tenantId), `${id}${this.use.suffix}`);
  }

  async remove(tenantId: string, id: string): Promise<void> {
    const folder = this.folderOf(tenantId);
    await rm(this.fileOf(tenantId, id), { force: true });
    // Another may just come.
    await rmdir(folder).catch(() => undefined);
  }

  async removeAll(tenantId: string): Promise<void> {
    await rm(this.folderOf(tenantId), { recursive: true, force: true });
  }

  async removeAbandoned(): Promise<number> {
    let removed = 0;
    for (const tenantId of await list(this.root)) {
      const folder = this.folderOf(tenantId);
      for (const name of await list(folder)) {
        const file = path.join(folder, name);
        const written = name.endsWith(PART) ? await stat(file).catch(() => undefined) : undefined;
        if (!written || Date.now() - written.mtimeMs < ABANDONED_MS) continue;
        await rm(file, { force: true });
        removed += 1;
      }
    }
    return removed;
  }

  async countOf(tenantId: string): Promise<number> {
    return (await list(this.folderOf(tenantId))).length;
  }

  async *idsOf(tenantId: string): AsyncGenerator<string[]> {
    let page: string[] = [];
    for await (const name of namesIn(this.folderOf(tenantId))) {
      const id = name.slice(0, name.length - this.use.suffix.length);
      if (!name.endsWith(this.use.suffix) || !isUuid(id)) continue;
      page.push(id);
      if (page.length < PAGE) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  async *tenants(): AsyncGenerator<string> {
    for await (const name of namesIn(this.root)) if (isUuid(name)) yield name;
  }

  private folderOf(tenantId: string): string {
    return path.join(this.root, tenantId);
  }
}

/** The last object of a tenant takes its folder along, which may be just now. */
async function created(folder: string, part: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      return await open(part, 'wx', 0o600);
    } catch (error) {
      if (!isAbsence(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function* namesIn(folder: string): AsyncGenerator<string> {
  try {
    for await (const { name } of await opendir(folder)) yield name;
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** A name is on the disks once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file that has finished when it is on the disks, and knows what was written. */
class DurableFile extends Writable {
  bytes = 0;
  sha256 = '';
  private readonly hash = createHash('sha256');

  constructor(private readonly handle: FileHandle) {
    super();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    this.handle.appendFile(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.sha256 = this.hash.digest('hex');
    this.handle.sync().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.handle.close().then(
      () => done(error),
      (failed: Error) => done(error ?? failed),
    );
  }
}
