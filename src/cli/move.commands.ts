import { Inject, Injectable } from '@nestjs/common';
import { MoveRequest, MoveView } from '../admin/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { TenantRunner } from '../tenancy/index.js';
import { type MoveDetails, MoveWorker, TenantMoves } from '../tenant/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { checked } from './input.js';
import { card, Table } from './table.js';
import { type Progress, Terminal } from './terminal.js';
import { WorkWatch } from './work.watch.js';

export interface MoveOptions {
  isolation: string;
  server?: string;
  wait: boolean;
}

const LISTED = 200;
const TITLES = ['BEGUN', 'FROM', 'TO', 'STATE', 'ROWS', 'PAUSE', 'ERROR'];

/** Moves tenants. The service's workers do the work, or the command's own where there is no service. */
@Injectable()
export class MoveCommands {
  private readonly watch: WorkWatch;

  constructor(
    private readonly terminal: Terminal,
    private readonly moves: TenantMoves,
    @Inject(DATABASE) database: PreparedDatabase,
    worker: MoveWorker,
    runner: TenantRunner,
  ) {
    this.watch = new WorkWatch(
      terminal,
      database,
      runner.bind(() => worker.start()),
    );
  }

  async begin(name: string, { isolation, server, wait }: MoveOptions): Promise<void> {
    const move = await this.moves.begin(name, await checked(MoveRequest, { isolation, server }));
    if (wait) return this.finish(name);
    await this.show(move);
    this.terminal.note(
      `A running service goes on with it, or the next one that starts; "tenants move-wait ${name}" waits.`,
    );
  }

  async wait(name: string): Promise<void> {
    await this.moves.present(name);
    await this.finish(name);
  }

  async abort(name: string, wait: boolean): Promise<void> {
    const move = await this.moves.abort(name);
    await this.show(wait ? await this.settle(name) : move);
  }

  async list(name: string): Promise<void> {
    const items = (await this.moves.list(name, LISTED)).items.map((move) => MoveView.of(move));
    await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items, next_cursor: null });
  }

  /** Waits, then says how it ended. */
  private async finish(name: string): Promise<void> {
    const move = await this.settle(name);
    await this.show(move);
    if (move.state === 'done') return;
    throw new CommandFailure(
      EXIT.failed,
      'move_failed',
      `The move of ${name} ${move.state === 'aborted' ? 'was aborted' : `failed: ${move.error ?? 'unknown'}`}.`,
      'The tenant is served from where it was. Remove the cause and move it again.',
    );
  }

  /** @throws Interrupted */
  private async settle(name: string): Promise<MoveDetails> {
    const progress = this.terminal.progress();
    const seen = new Set<string>();
    try {
      return await this.watch.settle({
        look: () => this.moves.present(name),
        isOver: ({ state }) => state !== 'running' && state !== 'undoing',
        report: (move) => report(progress, move, seen),
        interrupted:
          `Interrupted. The move of ${name} is not lost: a running service goes on with it, or the next one that starts; ` +
          `"tenants move-wait ${name}" waits for it again, "tenants move-abort ${name}" takes it back.`,
      });
    } finally {
      progress.end();
    }
  }

  private async show(move: MoveDetails): Promise<void> {
    const view = MoveView.of(move);
    await this.terminal.show(() => cardOf(view), view);
  }
}

function report(progress: Progress, move: MoveDetails, seen: Set<string>): void {
  const { rowsCopied, rowsTotal, step, state, steps, error } = move;
  const text = state === 'undoing' ? 'taking back' : error === null ? step : `${step}: ${error}`;
  const done = Math.min(rowsCopied, rowsTotal);
  const fresh = steps.filter(({ name, finishedAt }) => finishedAt !== null && !seen.has(name));
  for (const { name } of fresh) {
    seen.add(name);
    progress.update(done, rowsTotal, text, `  ${name}: done`);
  }
  if (fresh.length === 0) progress.update(done, rowsTotal, text);
}

function cardOf({ state, step, from, to, rows, pause_ms: pause, error, kept_until: kept }: MoveView): string[] {
  return card([
    ['state', state],
    ['step', step],
    ['from', whereOf(from)],
    ['to', whereOf(to)],
    ['rows', `${rows.copied} of ${rows.total} copied, ${rows.changed} changed meanwhile`],
    ['pause', pause === null ? '-' : `${pause} ms`],
    ...(error === null ? [] : [['error', error] as const]),
    ...(kept === null ? [] : [['kept until', kept] as const]),
  ]);
}

function row({ created_at: begun, from, to, state, rows, pause_ms: pause, error }: MoveView): string[] {
  const paused = pause === null ? '-' : `${pause} ms`;
  return [begun, whereOf(from), whereOf(to), state, `${rows.copied}/${rows.total}`, paused, error ?? '-'];
}

function whereOf({ isolation, server }: MoveView['from']): string {
  return `${isolation} on ${server}`;
}
