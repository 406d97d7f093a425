import { Inject, Injectable } from '@nestjs/common';
import { ChangeFeed } from '../../changes/index.js';
import { reasonOf } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { TenantRunner } from '../../tenancy/index.js';
import { HeldWork, MAX_FAILURES, retryWaitMs } from '../places/held.work.js';
import type { HeldMove } from './move.js';
import { MoveAftercare } from './move.aftercare.js';
import { MoveAborted, MoveFailure, MoveInterrupted, MoveLost } from './move.errors.js';
import { MOVES_CHANNEL, MoveStore } from './move.store.js';
import { Mover } from './mover.js';

/** Works moves. */
@Injectable()
export class MoveWorker extends HeldWork<HeldMove> {
  private tidying: Promise<void> | undefined;

  constructor(
    @Inject(ENV) env: Env,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly store: MoveStore,
    private readonly mover: Mover,
    private readonly aftercare: MoveAftercare,
    runner: TenantRunner,
    feed: ChangeFeed,
  ) {
    const ends = { lost: MoveLost, interrupted: MoveInterrupted };
    super({ one: 'move', channel: MOVES_CHANNEL, store, ...ends, env, database, runner, feed });
  }

  override async beforeApplicationShutdown(): Promise<void> {
    await super.beforeApplicationShutdown();
    await this.tidying;
  }

  protected work(move: HeldMove, stops: () => void): Promise<void> {
    return this.mover.work(move, stops);
  }

  /** Not waited for: it may have a million rows to delete, or wait for a server. */
  protected beside(): Promise<boolean> {
    this.tidying ??= this.tidy().finally(() => (this.tidying = undefined));
    return Promise.resolve(false);
  }

  private async tidy(): Promise<void> {
    try {
      await this.aftercare.runDue(this.stopping.signal);
    } catch (error) {
      this.logger.error({ err: error }, 'What moves left cannot be looked up; trying again');
    }
  }

  protected async failed(move: HeldMove, error: unknown): Promise<void> {
    const { failures, state } = await this.store.reload(move);
    const reason = reasonOf(error);
    const permanent = error instanceof MoveFailure && error.permanent;
    if (!(error instanceof MoveAborted)) {
      this.logger.warn({ err: error, move: move.id, tenant_id: move.tenantId, failures }, 'A move failed');
    }
    const gives = error instanceof MoveAborted || permanent || failures + 1 >= MAX_FAILURES;
    // What is taken back is so until it is done; and where the source has been left, the next attempt goes forward.
    if (gives && state === 'running') await this.store.undo(move, error instanceof MoveAborted ? null : reason);
    const wait = gives && state === 'running' ? 0 : retryWaitMs(failures);
    await this.store.postpone(move, wait, gives ? undefined : reason);
  }
}
