import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { BackupView } from '../admin/index.js';
import { type Backup, TenantBackups, TenantStore } from '../tenant/index.js';
import { CommandFailure, EXIT, Interrupted } from './exit-codes.js';
import { card, Table } from './table.js';
import { Terminal } from './terminal.js';

const TITLES = ['ID', 'TENANT', 'STATE', 'AS OF', 'ROWS', 'BYTES', 'ERROR'];
/** Shown at most. */
const MOST = 200;
/** Between two looks at one that another process makes, in ms. */
const LOOK_MS = 1000;

/** Backups, made in this process. */
@Injectable()
export class BackupCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly backups: TenantBackups,
    private readonly store: TenantStore,
  ) {}

  async run(name: string | undefined): Promise<void> {
    const tenants = name === undefined ? await this.backups.everybody() : [(await this.store.find(name)).id];
    const progress = this.terminal.progress();
    const made: Backup[] = [];
    const failed: string[] = [];
    try {
      for (const tenant of tenants) {
        try {
          made.push(await this.one(tenant));
        } catch (error) {
          if (this.terminal.interrupted.aborted) throw new Interrupted();
          if (name !== undefined) throw error;
          failed.push(tenant);
        }
        if (tenants.length > 1) progress.update(made.length + failed.length, tenants.length, 'tenants');
      }
    } finally {
      progress.end();
    }
    await this.show(made);
    if (failed.length === 0) return;
    const message = `Not backed up: ${failed.join(', ')}.`;
    throw new CommandFailure(EXIT.failed, 'not_backed_up', message, '"backups list" says why.');
  }

  async list(name: string | undefined): Promise<void> {
    await this.show((await this.backups.list(name, MOST)).items);
  }

  async verify(id: string): Promise<void> {
    const view = BackupView.of(await this.backups.verify(id));
    const fields: [string, string][] = [
      ['backup', `${view.id}, whole`],
      ['as of', String(view.made_at)],
      ['rows', String(view.rows)],
      ['SHA-256', String(view.sha256)],
    ];
    await this.terminal.show(() => card(fields), view);
  }

  /** What another process makes is waited for, and taken up when that one dies. */
  private async one(tenant: string): Promise<Backup> {
    const { id } = await this.backups.begin(tenant);
    const signal = this.terminal.interrupted;
    for (;;) {
      const made = await this.backups.make(id, { signal });
      if (made?.state === 'failed') {
        throw new CommandFailure(EXIT.failed, 'not_backed_up', `The backup ${id} failed: ${made.error}.`);
      }
      if (made) return made;
      await sleep(LOOK_MS, undefined, { signal });
    }
  }

  private async show(backups: Backup[]): Promise<void> {
    const items = backups.map((backup) => BackupView.of(backup));
    await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items, next_cursor: null });
  }
}

function row({ id, tenant_id: tenant, state, made_at: madeAt, rows, bytes, error }: BackupView): string[] {
  return [id, tenant, state, madeAt ?? '', String(rows ?? ''), String(bytes ?? ''), error ?? ''];
}
