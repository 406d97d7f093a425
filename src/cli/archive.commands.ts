import { createWriteStream } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { ExportRequest, ImportQuery, ImportView } from '../admin/index.js';
import { PlatformAudit } from '../audit/index.js';
import { MAGIC, type Sealer, TenantExporter, TenantImporter, TenantStore } from '../tenant/index.js';
import { Interrupted } from './exit-codes.js';
import { checked } from './input.js';
import { Terminal } from './terminal.js';

export interface ExportCommandOptions {
  out: string;
  passphraseFile?: string;
  compression?: string;
}

export interface ImportCommandOptions {
  same?: boolean;
  slug?: string;
  name?: string;
  isolation?: string;
  server?: string;
  region?: string;
  passphraseFile?: string;
}

/** Tenants as files, out and in. */
@Injectable()
export class ArchiveCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly store: TenantStore,
    private readonly exporter: TenantExporter,
    private readonly importer: TenantImporter,
    private readonly audit: PlatformAudit,
  ) {}

  /** The file is there only when it is whole. */
  async export(name: string, { out, passphraseFile, compression: given }: ExportCommandOptions): Promise<void> {
    const passphrase = await passphraseIn(passphraseFile);
    const { compression } = await checked(ExportRequest, { passphrase, compression: given });
    const { id, slug } = await this.store.find(name);
    const file = path.resolve(out);
    const part = `${file}.part`;
    const progress = this.terminal.progress();
    try {
      const { manifest, end } = await this.exporter.write(id, createWriteStream(part, { mode: 0o600 }), {
        sealer: sealerOf(passphrase),
        compression,
        signal: this.terminal.interrupted,
        onProgress: (done, total) => progress.update(done, total, 'rows'),
      });
      await rename(part, file);
      progress.end();
      const details = { rows: end.rows, secrets: manifest.secrets };
      const target = { kind: 'tenant', id };
      await this.audit.record(undefined, { event: 'tenant.exported', tenantId: id, target, details });
      const lines = [`${slug}: ${end.rows} rows of ${Object.keys(end.tables).length} tables in ${out}`];
      if (passphrase === undefined) lines.push('Secrets are left out: --passphrase-file takes them along, encrypted.');
      await this.terminal.show(() => lines, { file, manifest, ...end });
    } catch (error) {
      throw this.terminal.interrupted.aborted ? new Interrupted() : error;
    } finally {
      progress.end();
      await rm(part, { force: true });
    }
  }

  async import(file: string, { passphraseFile, same, ...options }: ImportCommandOptions): Promise<void> {
    const passphrase = await passphraseIn(passphraseFile);
    const { as, ...wanted } = await checked(ImportQuery, { as: same ? 'same' : 'new', ...options });
    const progress = this.terminal.progress();
    try {
      const imported = await this.importer.run({
        file: path.resolve(file),
        sealer: sealerOf(passphrase),
        same: as === 'same',
        ...wanted,
        signal: this.terminal.interrupted,
        onProgress: (done, total) => progress.update(done, total, 'rows'),
      });
      progress.end();
      const view = ImportView.of(imported);
      const lines = [`${view.tenant.slug}: ${view.rows} rows, in service`];
      if (view.credentials_left > 0)
        lines.push(`${view.credentials_left} credentials that open nothing here stayed out.`);
      await this.terminal.show(() => lines, view);
    } catch (error) {
      throw this.terminal.interrupted.aborted ? new Interrupted() : error;
    } finally {
      progress.end();
    }
  }
}

/** Whether the file is one tenant with all that it has, and no list of tenants. */
export async function isArchive(file: string): Promise<boolean> {
  const handle = await open(path.resolve(file));
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return buffer.subarray(0, bytesRead).toString('latin1') === MAGIC;
  } finally {
    await handle.close();
  }
}

/** From a file, not as an option: other users of the machine see what commands are started with. */
async function passphraseIn(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readFile(path.resolve(file), 'utf8')).replace(/\r?\n$/, '');
}

function sealerOf(passphrase: string | undefined): Sealer | undefined {
  return passphrase === undefined ? undefined : { passphrase };
}
