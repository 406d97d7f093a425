import { Inject, Injectable } from '@nestjs/common';
import { RestoreRequest, RestoreView } from '../admin/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { TenantRunner } from '../tenancy/index.js';
import { type Restore, RestoreWorker, TenantRestores } from '../tenant/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { checked } from './input.js';
import { card, Table } from './table.js';
import { Terminal } from './terminal.js';
import { WorkWatch } from './work.watch.js';

const LISTED = 200;
const TITLES = ['ID', 'BEGUN', 'BACKUP', 'STATE', 'ROWS', 'DIFFERENT', 'ERROR'];
const UNDER_WAY = ['running', 'swapping', 'undoing'];

export interface RestoreOptions {
  backup?: string;
  at?: string;
  wait: boolean;
}

/** Restores tenants. The service's workers do the work, or the command's own where there is no service. */
@Injectable()
export class RestoreCommands {
  private readonly watch: WorkWatch;

  constructor(
    private readonly terminal: Terminal,
    private readonly restores: TenantRestores,
    @Inject(DATABASE) database: PreparedDatabase,
    worker: RestoreWorker,
    runner: TenantRunner,
  ) {
    this.watch = new WorkWatch(
      terminal,
      database,
      runner.bind(() => worker.start()),
    );
  }

  async begin(name: string, { backup, at, wait }: RestoreOptions): Promise<void> {
    const wish = RestoreRequest.wishOf(await checked(RestoreRequest, { backup_id: backup, at }));
    const restore = await this.restores.begin(name, wish);
    if (wait) return this.finish(name, restore, 'ready');
    await this.show(restore);
    this.noteWorkers(name);
  }

  async wait(name: string): Promise<void> {
    const restore = await this.last(name);
    await this.finish(name, restore, restore.state === 'swapping' ? 'done' : 'ready');
  }

  async swap(name: string, confirm: string, wait: boolean): Promise<void> {
    const restore = await this.restores.swap(name, (await this.last(name)).id, confirm);
    if (wait) return this.finish(name, restore, 'done');
    await this.show(restore);
    this.noteWorkers(name);
  }

  async discard(name: string, wait: boolean): Promise<void> {
    const restore = await this.restores.discard(name, (await this.last(name)).id);
    if (wait) return this.finish(name, restore, 'discarded');
    await this.show(restore);
  }

  async list(name: string): Promise<void> {
    const items = (await this.restores.list(name, LISTED)).items.map((restore) => RestoreView.of(restore));
    await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items, next_cursor: null });
  }

  private async last(name: string): Promise<Restore> {
    const [restore] = (await this.restores.list(name, 1)).items;
    if (restore) return restore;
    throw new CommandFailure(
      EXIT.refused,
      'restore_not_found',
      `${name} has never been restored from a backup.`,
      '"backups list" names those there are, "tenants restore-backup" begins.',
    );
  }

  /** Waits, then says how it ended. */
  private async finish(name: string, { id }: Restore, wanted: Restore['state']): Promise<void> {
    const restore = await this.settle(name, id);
    await this.show(restore);
    if (restore.movesBackAt !== null) {
      const { kind } = restore.source;
      this.terminal.note(
        `${name} is moved back to ${kind} at ${restore.movesBackAt.toISOString()}, when what it left is given up; ` +
          `"tenants move ${name} --isolation ${kind}" does both at once.`,
      );
    }
    if (restore.state === wanted || (wanted === 'ready' && restore.state === 'done')) return;
    throw new CommandFailure(
      EXIT.failed,
      'restore_failed',
      `The restore of ${name} is ${restore.state}: ${restore.error ?? 'somebody wanted it so'}.`,
      'The tenant is served as before. docs/backup.md says what to do.',
    );
  }

  /** @throws Interrupted */
  private settle(name: string, id: string): Promise<Restore> {
    const isOver = ({ state }: Restore): boolean => !UNDER_WAY.includes(state);
    return this.watch.settle({
      look: () => this.restores.find(name, id),
      isOver,
      report: (restore, fresh) => {
        const { state, step, error } = restore;
        if (fresh && !isOver(restore)) this.terminal.note(`  ${state}: ${step}${error === null ? '' : `: ${error}`}`);
      },
      interrupted:
        `Interrupted. The restore of ${name} is not lost: a running service goes on with it, or the next one that ` +
        `starts; "tenants restore-wait ${name}" waits for it again.`,
    });
  }

  private noteWorkers(name: string): void {
    this.terminal.note(
      `A running service goes on with it, or the next one that starts; "tenants restore-wait ${name}" waits.`,
    );
  }

  private async show(restore: Restore): Promise<void> {
    const view = RestoreView.of(restore);
    await this.terminal.show(() => [...card(fieldsOf(view)), ...tablesOf(view)], view);
  }
}

function fieldsOf(view: RestoreView): (readonly [string, string])[] {
  const known = (name: string, value: string | null): (readonly [string, string])[] =>
    value === null ? [] : [[name, value]];
  return [
    ['restore', view.id],
    ['backup', view.backup_id],
    ...known('as of', view.at),
    ['state', view.state],
    ['step', view.step],
    ['rows', String(view.rows ?? '-')],
    ...known('compared', view.compared_at),
    ...known('undone by', view.undo_backup_id),
    ...known('moves back', view.moves_back_at),
    ...known('pause', view.pause_ms === null ? null : `${view.pause_ms} ms`),
    ...known('error', view.error),
    ...known('discarded', view.discard_at),
  ];
}

/** Tables that are not the same. */
function tablesOf({ difference }: RestoreView): string[] {
  const rows = Object.entries(difference ?? {}).flatMap(([table, { only_now: now, only_then: then, changed, same }]) =>
    now + then + changed === 0 ? [] : [[table, ...[now, then, changed, same].map(String)]],
  );
  return rows.length === 0 ? [] : ['', ...new Table(['TABLE', 'ONLY NOW', 'ONLY THEN', 'CHANGED', 'SAME']).rows(rows)];
}

function row(view: RestoreView): string[] {
  const counts = Object.values(view.difference ?? {});
  const different = counts.reduce((sum, { only_now, only_then, changed }) => sum + only_now + only_then + changed, 0);
  const { id, created_at: begun, backup_id: backup, state, rows, error } = view;
  return [
    id,
    begun,
    backup,
    state,
    String(rows ?? '-'),
    view.difference === null ? '-' : String(different),
    error ?? '-',
  ];
}
