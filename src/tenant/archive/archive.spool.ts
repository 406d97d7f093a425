import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { newId } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';

/** After this long, in ms, a file is one of a process that died. */
const STALE_MS = 86_400_000;
const SWEEP_EVERY_MS = 3_600_000;

/**
 * Archives on their way to a client or from one, as files for as long as that takes. A slow client then holds no snapshot
 * of the database open; what fails is answered as a failure, not as half a download; and an upload is known to be whole
 * before anything is made of it.
 */
@Injectable()
export class ArchiveSpool implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly folder: string;
  private sweeps: NodeJS.Timeout | undefined;

  constructor(@Inject(ENV) env: Env) {
    this.folder = path.join(env.dataDir, 'archives');
  }

  async onApplicationBootstrap(): Promise<void> {
    this.sweeps = setInterval(() => void this.sweep().catch(() => undefined), SWEEP_EVERY_MS).unref();
    await this.sweep().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    clearInterval(this.sweeps);
  }

  /** Removes what processes that died left. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const file = path.join(this.folder, name);
      const found = name.endsWith('.part') ? await stat(file).catch(() => undefined) : undefined;
      if (found && found.mtimeMs < Date.now() - STALE_MS) await rm(file, { force: true });
    }
  }

  /** @returns the archive that `write` wrote, and its size in bytes; its file goes with the stream */
  async download(write: (file: string) => Promise<unknown>): Promise<{ stream: Readable; bytes: number }> {
    const file = await this.newFile();
    const remove = (): void => void rm(file, { force: true }).catch(() => undefined);
    try {
      await write(file);
      const { size } = await stat(file);
      const stream = createReadStream(file);
      stream.once('close', remove);
      return { stream, bytes: size };
    } catch (error) {
      remove();
      throw error;
    }
  }

  /** Runs `work` on a file of what comes. */
  async upload<T>(source: Readable, work: (file: string) => Promise<T>): Promise<T> {
    const file = await this.newFile();
    try {
      await pipeline(source, createWriteStream(file, { mode: 0o600 }));
      return await work(file);
    } finally {
      await rm(file, { force: true });
    }
  }

  private async newFile(): Promise<string> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    return path.join(this.folder, `${newId()}.part`);
  }
}
