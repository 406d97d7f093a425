import { Injectable } from '@nestjs/common';
import path from 'node:path';
import { readTenantsFile, TenantImport } from '../tenant/index.js';
import { Interrupted } from './exit-codes.js';
import { Terminal } from './terminal.js';

/** Brings tenants in from a file of JSON lines, all or nothing. */
@Injectable()
export class ImportCommand {
  constructor(
    private readonly terminal: Terminal,
    private readonly tenants: TenantImport,
  ) {}

  async run(file: string): Promise<void> {
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
