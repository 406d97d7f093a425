import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { newId } from '../../common/index.js';
import type { Env } from '../../env/index.js';
import { BackupDamaged, BackupsOff } from './backup.errors.js';
import { BackupStorage, type WrittenBackup } from './backup.storage.js';

const WHOLE = '.tenant';
const PART = '.part';
/** One that nobody has written to for so long is abandoned, in ms: a process that writes one is never silent for it. */
const ABANDONED_MS = 60 * 60 * 1000;

/** Backups in a folder, one below it for each tenant. */
export class DirectoryStorage extends BackupStorage {
  private readonly root: string | undefined;

  constructor({ backupDir }: Pick<Env, 'backupDir'>) {
    super();
    this.root = backupDir;
  }

  get available(): boolean {
    return this.root !== undefined;
  }

  /** @throws BackupsOff */
  async write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenBackup<T>> {
    const folder = this.folderOf(tenantId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Of this attempt alone, so that two that believe to be the only one do not write into one another.
    const part = path.join(folder, `${id}.${newId()}${PART}`);
    const discard = (): Promise<void> => rm(part, { force: true });
    const out = new DurableFile(await open(part, 'wx', 0o600));
    try {
      const made = await work(out);
      const keep = async (): Promise<void> => {
        await rename(part, path.join(folder, `${id}${WHOLE}`));
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

  async local<T>(tenantId: string, id: string, work: (file: string) => Promise<T>): Promise<T> {
    const file = path.join(this.folderOf(tenantId), `${id}${WHOLE}`);
    try {
      await stat(file);
    } catch (error) {
      throw new BackupDamaged(id, 'its file is not there', error);
    }
    return work(file);
  }

  async remove(tenantId: string, id: string): Promise<void> {
    const folder = this.folderOf(tenantId);
    await rm(path.join(folder, `${id}${WHOLE}`), { force: true });
    // One of another backup may just come.
    await rmdir(folder).catch(() => undefined);
  }

  async removeAll(tenantId: string): Promise<void> {
    await rm(this.folderOf(tenantId), { recursive: true, force: true });
  }

  async removeAbandoned(): Promise<number> {
    let removed = 0;
    for (const tenantId of await list(this.folderOf(''))) {
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

  /** @throws BackupsOff */
  private folderOf(tenantId: string): string {
    if (this.root === undefined) throw new BackupsOff();
    return path.join(this.root, tenantId);
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
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
