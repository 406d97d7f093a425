import { Injectable } from '@nestjs/common';
import path from 'node:path';
import { readTenantsFile, TenantImport } from '../tenant/index.js';
import { ArchiveCommands, type ImportCommandOptions, isArchive } from './archive.commands.js';
import { Interrupted, UsageFailure } from './exit-codes.js';
import { Terminal } from './terminal.js';

/** Brings tenants in from a file: one with all that it has, or many without, of JSON lines. All or nothing. */
@Injectable()
export class ImportCommand {
  constructor(
    private readonly terminal: Terminal,
    private readonly tenants: TenantImport,
    private readonly archives: ArchiveCommands,
  ) {}

  async run(file: string, options: ImportCommandOptions): Promise<void> {
    if (await isArchive(file)) return this.archives.import(file, options);
    if (Object.keys(options).length > 0) throw new UsageFailure('The options are for an archive, and this is none.');
    const lines = await readTenantsFile(path.resolve(file));
    const started = performance.now();
    const progress = this.terminal.progress();
    try {
      const report = await this.tenants.import(lines, {
        mode: 'upsert',
        onProgress: (done, total) => {
          if (this.terminal.interrupted.aborted) throw new Interrupted();
          progress.update(done, total, 'tenants', `${done} of ${total}`);
        },
      });
      progress.end();
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const { created, updated, unchanged } = report;
      await this.terminal.show(
        () => [`${created} created, ${updated} updated, ${unchanged} unchanged in ${seconds} s`],
        report,
      );
    } finally {
      progress.end();
    }
  }
}
