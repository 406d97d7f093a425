import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { ChangeFeed } from '../../changes/index.js';
import { AppError, WorkLoop } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import { TenantRunner } from '../../tenancy/index.js';
import { CopyUnfit, MoveFailure } from '../moves/move.errors.js';
import { PlaceHold } from '../places/place.hold.js';
import type { HeldRestore } from './restore.js';
import { RestoreFailure, RestoreInterrupted, RestoreLost } from './restore.errors.js';
import { RESTORES_CHANNEL, RestoreStore } from './restore.store.js';
import { RestoreSwap } from './restore.swap.js';
import { Restorer } from './restorer.js';

/** Tenants restored at once in this process. */
const CONCURRENCY = 2;
/** How often is looked for work unasked, in ms: what a process left when it died, and what is to be tried again. */
const POLL_MS = 1000;
/** Attempts in a row that fail before it is given up. */
const MAX_FAILURES = 8;
const LONGEST_WAIT_MS = 60_000;

/**
 * Works restores: each in one process of all, for as long as that process' connection to the control plane is
 * there. What a process that was killed had in hand, another one goes on with at once.
 */
@Injectable()
export class RestoreWorker implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Restores');
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'Restores cannot be read; trying again'),
  });

  constructor(
    @Inject(ENV) private readonly env: Env,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly store: RestoreStore,
    private readonly restorer: Restorer,
    private readonly swap: RestoreSwap,
    private readonly runner: TenantRunner,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.on(RESTORES_CHANNEL, () => this.wake());
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.env)) this.start();
  }

  /** Works from now on, until the process stops. */
  start(): void {
    this.loop.start();
  }

  /** Looks for work now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.loop.wake();
  }

  /** What is under way is left after the rows at hand, for the next process to go on with. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.loop.stop();
    await Promise.all(this.running);
  }

  private async round(): Promise<boolean> {
    if (await this.runner.runAsPlatform('restore', () => this.swap.moveBackDue())) return true;
    if (this.running.size >= CONCURRENCY || !(await this.store.isAnyDue())) return false;
    const hold = await PlaceHold.open(this.database);
    const restore = await this.store.claim(hold).catch(async (error: unknown) => {
      await hold.close();
      throw error;
    });
    if (restore) this.begin(hold, restore);
    else await hold.close();
    return restore !== undefined;
  }

  private begin(hold: PlaceHold, restore: HeldRestore): void {
    const work = this.runner
      .runAsPlatform('restore', () => this.attempt(hold, restore))
      .catch((error: unknown) => {
        if (error instanceof RestoreLost) this.logger.log({ restore: restore.id }, 'A restore is in other hands');
        else this.logger.error({ err: error, restore: restore.id }, 'The outcome of a restore could not be stored');
      })
      .finally(() => hold.close())
      .finally(() => {
        this.running.delete(work);
        this.wake();
      });
    this.running.add(work);
  }

  private async attempt(hold: PlaceHold, restore: HeldRestore): Promise<void> {
    const stops = (): void => {
      if (hold.lost) throw new RestoreLost();
      if (this.stopping.signal.aborted) throw new RestoreInterrupted();
    };
    try {
      await this.restorer.work(restore, stops, this.stopping.signal);
    } catch (error) {
      if (error instanceof RestoreLost) throw error;
      if (error instanceof RestoreInterrupted || this.stopping.signal.aborted) return this.store.postpone(restore, 0);
      await this.failed(restore, error);
    }
  }

  private async failed(restore: HeldRestore, error: unknown): Promise<void> {
    const { id, tenantId, state } = restore;
    const { failures, swappedAt } = await this.store.reload(restore);
    this.logger.warn({ err: error, restore: id, tenant_id: tenantId, failures }, 'A restore failed');
    const reason = reasonOf(error);
    const permanent = isPermanent(error) || failures + 1 >= MAX_FAILURES;
    if (permanent && state === 'running') return this.store.undo(restore, reason);
    // Where the source has been left there is only forward.
    if (permanent && state === 'swapping' && swappedAt === null && (await this.takesBack(restore, reason))) return;
    await this.store.postpone(restore, waitMs(failures), reason);
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

/** What an admin may read: drivers and servers quote what they were given, which may be secret. */
function reasonOf(error: unknown): string {
  if (error instanceof RestoreFailure || error instanceof MoveFailure || error instanceof CopyUnfit)
    return error.reason;
  if (error instanceof AppError) return error.code;
  if (!(error instanceof Error)) return 'unknown';
  const code = (error as { code?: unknown }).code ?? (error as { driverError?: { code?: unknown } }).driverError?.code;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}

/** Exponential with jitter: 0.3 s, 0.6 s, 1.2 s … at most a minute. */
function waitMs(failures: number): number {
  return Math.min(300 * 2 ** failures, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
}
