import { open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { mailFolder, TENANT_HEADER } from './mail.transport.js';

/** Headers lie within so many bytes from the start. */
const HEAD_BYTES = 4096;

/** The mails that were written to files of this machine instead of being sent. */
@Injectable()
export class WrittenMails {
  private readonly folder: string;

  constructor(@Inject(ENV) env: Env) {
    this.folder = mailFolder(env);
  }

  /** @returns how many mails of the tenant there were */
  async erase(tenantId: string): Promise<number> {
    const files = (await readdir(this.folder).catch(() => [])).filter((name) => name.endsWith('.eml'));
    let erased = 0;
    for (const name of files) {
      const file = path.join(this.folder, name);
      if (!(await head(file)).split('\r\n').includes(`${TENANT_HEADER}: ${tenantId}`)) continue;
      await rm(file, { force: true });
      erased += 1;
    }
    return erased;
  }
}

async function head(file: string): Promise<string> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return '';
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
