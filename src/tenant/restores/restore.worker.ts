import { Inject, Injectable } from '@nestjs/common';
import { ChangeFeed } from '../../changes/index.js';
import { AppError, reasonOf } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { TenantRunner } from '../../tenancy/index.js';
import { MoveFailure } from '../moves/move.errors.js';
import { HeldWork, MAX_FAILURES, retryWaitMs } from '../places/held.work.js';
import type { HeldRestore } from './restore.js';
import { RestoreFailure, RestoreInterrupted, RestoreLost } from './restore.errors.js';
import { RESTORES_CHANNEL, RestoreStore } from './restore.store.js';
import { RestoreSwap } from './restore.swap.js';
import { Restorer } from './restorer.js';

/** Works restores. */
@Injectable()
export class RestoreWorker extends HeldWork<HeldRestore> {
  constructor(
    @Inject(ENV) env: Env,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly store: RestoreStore,
    private readonly restorer: Restorer,
    private readonly swap: RestoreSwap,
    private readonly runner: TenantRunner,
    feed: ChangeFeed,
  ) {
    const ends = { lost: RestoreLost, interrupted: RestoreInterrupted };
    super({ one: 'restore', channel: RESTORES_CHANNEL, store, ...ends, env, database, runner, feed });
  }

  protected work(restore: HeldRestore, stops: () => void): Promise<void> {
    return this.restorer.work(restore, stops, this.stopping.signal);
  }

  protected beside(): Promise<boolean> {
    return this.runner.runAsPlatform('restore', () => this.swap.moveBackDue());
  }

  protected async failed(restore: HeldRestore, error: unknown): Promise<void> {
    const { id, tenantId, state } = restore;
    const { failures, swappedAt } = await this.store.reload(restore);
    this.logger.warn({ err: error, restore: id, tenant_id: tenantId, failures }, 'A restore failed');
    const reason = reasonOf(error);
    const permanent = isPermanent(error) || failures + 1 >= MAX_FAILURES;
    if (permanent && state === 'running') return this.store.undo(restore, reason);
    // Where the source has been left there is only forward.
    if (permanent && state === 'swapping' && swappedAt === null && (await this.takesBack(restore, reason))) return;
    await this.store.postpone(restore, retryWaitMs(failures), reason);
  }

  /** @returns false when it cannot be, or not now: as while the source does not answer */
  private async takesBack(restore: HeldRestore, reason: string): Promise<boolean> {
    try {
      return await this.swap.takeBack(restore, reason);
    } catch (error) {
      if (error instanceof RestoreLost) throw error;
      this.logger.warn({ err: error, restore: restore.id }, 'A swap cannot be taken back; trying again');
      return false;
    }
  }
}

/** Whether trying again would not help. */
function isPermanent(error: unknown): boolean {
  if (error instanceof RestoreFailure || error instanceof MoveFailure) return error.permanent;
  return error instanceof AppError && error.status < 500;
}
