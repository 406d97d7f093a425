import { createWriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { ExportRunning } from './archive.errors.js';
import { ArchiveSpool } from './archive.spool.js';
import { type ExportOptions, TenantExporter } from './tenant.exporter.js';

export interface ArchiveDownload {
  stream: Readable;
  bytes: number;
  disposition: string;
}

export interface DownloadDetails {
  rows: number;
  secrets: string;
  bytes: number;
}

export interface DownloadOptions extends Pick<ExportOptions, 'compression' | 'ofPeople'> {
  /** The answer: when it closes early, nobody waits for the archive any more. */
  client?: Pick<Writable, 'once'>;
  passphrase?: string | undefined;
  /** Writes it in the log of whoever asked. What is not logged is not given out. */
  record: (details: DownloadDetails) => Promise<unknown>;
}

export const ARCHIVE_TYPE = 'application/vnd.tenantry.archive';

/** Written at once in this process, each of another tenant. */
const AT_ONCE = 2;

/** Archives as downloads. */
@Injectable()
export class TenantDownloads {
  private readonly running = new Set<string>();

  constructor(
    private readonly exporter: TenantExporter,
    private readonly spool: ArchiveSpool,
  ) {}

  /** @throws ExportRunning, and what TenantExporter throws */
  async make(tenant: { id: string; slug: string }, options: DownloadOptions): Promise<ArchiveDownload> {
    if (this.running.has(tenant.id) || this.running.size >= AT_ONCE) throw new ExportRunning();
    this.running.add(tenant.id);
    try {
      return await this.write(tenant, options);
    } finally {
      this.running.delete(tenant.id);
    }
  }

  private async write(
    { id, slug }: { id: string; slug: string },
    { passphrase, client, record, ...options }: DownloadOptions,
  ): Promise<ArchiveDownload> {
    const gone = new AbortController();
    client?.once('close', () => gone.abort());
    const { stream, bytes } = await this.spool.download(async (file) => {
      const sealer = passphrase === undefined ? undefined : { passphrase };
      const out = createWriteStream(file, { mode: 0o600 });
      const { manifest, end } = await this.exporter.write(id, out, { sealer, ...options, signal: gone.signal });
      await record({ rows: end.rows, secrets: manifest.secrets, bytes: out.bytesWritten });
    });
    return { stream, bytes, disposition: `attachment; filename="${slug}.tenant"` };
  }
}
