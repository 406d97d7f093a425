import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { HistoryView, KeepHistoryRequest } from '../admin/index.js';
import { JobFailure } from '../jobs/index.js';
import { HistoryJobs, TenantHistories, TenantStore } from '../tenant/index.js';
import { checked } from './input.js';
import { card } from './table.js';
import { Terminal } from './terminal.js';

/** How long a worker that has the place in hand is waited for, in ms. */
const WAIT_MS = 5000;
const POLL_MS = 100;

export interface HistoryOptions {
  days?: string;
  off?: true;
}

/** Histories of tenants. What is asked for is done here, unless a move is in the way; then a service's workers do it. */
@Injectable()
export class HistoryCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly jobs: HistoryJobs,
    private readonly histories: TenantHistories,
    private readonly store: TenantStore,
  ) {}

  async run(name: string, { days, off }: HistoryOptions): Promise<void> {
    if (off) await this.jobs.drop(name);
    else if (days !== undefined) await this.jobs.keep(name, (await checked(KeepHistoryRequest, { days })).days);
    if (off || days !== undefined) await this.settle(name);
    const view = HistoryView.of(await this.histories.status(name));
    await this.terminal.show(() => cardOf(view), view);
  }

  private async settle(name: string): Promise<void> {
    const { id } = await this.store.find(name);
    const { interrupted } = this.terminal;
    for (const deadline = performance.now() + WAIT_MS; ;) {
      try {
        return await this.jobs.settle({ tenant_id: id });
      } catch (error) {
        if (!(error instanceof JobFailure)) throw error;
        if (performance.now() < deadline && !interrupted.aborted) {
          await sleep(POLL_MS, undefined, { signal: interrupted }).catch(() => undefined);
          continue;
        }
        this.terminal.note(`Not yet, since ${error.reason}: a running service does it, or the next one that starts.`);
        return;
      }
    }
  }
}

function cardOf({ state, days, since, reaches_back_to: reach, rows, bytes }: HistoryView): string[] {
  return card([
    ['state', state],
    ['days', String(days ?? '-')],
    ['since', since ?? '-'],
    ['reaches back to', reach ?? '-'],
    ['changes', rows === null ? 'too many to be counted' : `${rows}, ${bytes} bytes`],
  ]);
}
