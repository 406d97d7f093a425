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
import { PlaceHold } from '../places/place.hold.js';
import type { HeldMove } from './move.js';
import { MoveAftercare } from './move.aftercare.js';
import { CopyUnfit, MoveAborted, MoveFailure, MoveInterrupted, MoveLost } from './move.errors.js';
import { MOVES_CHANNEL, MoveStore } from './move.store.js';
import { Mover } from './mover.js';

/** Tenants moved at once in this process. */
const CONCURRENCY = 2;
/** How often is looked for work unasked, in ms: what a process left when it died, and what is to be tried again. */
const POLL_MS = 1000;
/** Attempts in a row that fail before the move is taken back. */
const MAX_FAILURES = 8;
const LONGEST_WAIT_MS = 60_000;

/**
 * Works moves: each in one process of all, for as long as that process' connection to the control plane is there. What a
 * process that was killed had in hand, another one goes on with at once.
 */
@Injectable()
export class MoveWorker implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Moves');
  private readonly running = new Set<Promise<void>>();
  private tidying: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'Moves cannot be read; trying again'),
  });

  constructor(
    @Inject(ENV) private readonly env: Env,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly store: MoveStore,
    private readonly mover: Mover,
    private readonly aftercare: MoveAftercare,
    private readonly runner: TenantRunner,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.on(MOVES_CHANNEL, () => this.wake());
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

  /** What is under way is left after the chunk at hand, for the next process to go on with. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.loop.stop();
    await Promise.all([...this.running, this.tidying]);
  }

  private async round(): Promise<boolean> {
    // Beside the moves: it may have a million rows to delete, or wait for a server.
    this.tidying ??= this.tidy().finally(() => (this.tidying = undefined));
    if (this.running.size >= CONCURRENCY || !(await this.store.isAnyDue())) return false;
    const hold = await PlaceHold.open(this.database);
    const move = await this.store.claim(hold).catch(async (error: unknown) => {
      await hold.close();
      throw error;
    });
    if (move) this.begin(hold, move);
    else await hold.close();
    return move !== undefined;
  }

  private async tidy(): Promise<void> {
    try {
      await this.aftercare.runDue(this.stopping.signal);
    } catch (error) {
      this.logger.error({ err: error }, 'What moves left cannot be looked up; trying again');
    }
  }

  private begin(hold: PlaceHold, move: HeldMove): void {
    const work = this.runner
      .runAsPlatform('move', () => this.attempt(hold, move))
      .catch((error: unknown) => {
        if (error instanceof MoveLost) this.logger.warn({ move: move.id }, 'Another worker took over');
        else this.logger.error({ err: error, move: move.id }, 'The outcome of a move could not be stored');
      })
      .finally(() => hold.close())
      .finally(() => {
        this.running.delete(work);
        this.wake();
      });
    this.running.add(work);
  }

  private async attempt(hold: PlaceHold, move: HeldMove): Promise<void> {
    const { id, tenantId } = move;
    const stops = (): void => {
      if (hold.lost) throw new MoveLost();
      if (this.stopping.signal.aborted) throw new MoveInterrupted();
    };
    try {
      await this.mover.work(move, stops);
      this.logger.log({ move: id, tenant_id: tenantId }, 'A move has ended');
    } catch (error) {
      if (error instanceof MoveLost) throw error;
      if (error instanceof MoveInterrupted) return this.store.postpone(move, 0);
      await this.failed(move, error);
    }
  }

  private async failed(move: HeldMove, error: unknown): Promise<void> {
    const { failures, state } = await this.store.reload(move);
    const reason = reasonOf(error);
    const permanent = error instanceof MoveFailure && error.permanent;
    if (!(error instanceof MoveAborted)) {
      this.logger.warn({ err: error, move: move.id, tenant_id: move.tenantId, failures }, 'A move failed');
    }
    const gives = error instanceof MoveAborted || permanent || failures + 1 >= MAX_FAILURES;
    // What is taken back is so until it is done; and where the source has been left, the next attempt goes forward.
    if (gives && state === 'running') await this.store.undo(move, error instanceof MoveAborted ? null : reason);
    await this.store.postpone(move, gives && state === 'running' ? 0 : waitMs(failures), gives ? undefined : reason);
  }
}

/** What an admin may read: drivers and servers quote what they were given, which may be secret. */
function reasonOf(error: unknown): string {
  if (error instanceof MoveFailure || error instanceof CopyUnfit) return error.reason;
  if (error instanceof AppError) return error.code;
  if (!(error instanceof Error)) return 'unknown';
  const code = (error as { code?: unknown }).code ?? (error as { driverError?: { code?: unknown } }).driverError?.code;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}

/** Exponential with jitter: 0.3 s, 0.6 s, 1.2 s … at most a minute. */
function waitMs(failures: number): number {
  return Math.min(300 * 2 ** failures, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
}
