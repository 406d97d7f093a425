import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { ChangeFeed } from '../../changes/index.js';
import { WorkLoop } from '../../common/index.js';
import type { PreparedDatabase } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import type { TenantRunner } from '../../tenancy/index.js';
import { PlaceHold } from './place.hold.js';

/** Pieces worked at once in this process. */
const CONCURRENCY = 2;
/** How often is looked for work unasked, in ms: what a process left when it died, and what is to be tried again. */
const POLL_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** Attempts in a row that fail before a piece is given up. */
export const MAX_FAILURES = 8;

/** What is worked, and where. */
export interface HeldWorkOf<Piece> {
  /** As logs name it. */
  one: 'move' | 'restore';
  channel: string;
  store: {
    isAnyDue(): Promise<boolean>;
    claim(hold: PlaceHold): Promise<Piece | undefined>;
    /** @param ms until the next attempt */
    postpone(piece: Piece, ms: number, reason?: string): Promise<unknown>;
  };
  /** Thrown by what works on a piece that another one has taken over. */
  lost: new () => Error;
  /** Thrown by what works on a piece when this process is to stop. */
  interrupted: new () => Error;
  env: Env;
  database: PreparedDatabase;
  runner: TenantRunner;
  feed: ChangeFeed;
}

/**
 * Works pieces of a store: each in one process of all, for as long as that process' connection to the control plane is
 * there. What a process that was killed had in hand, another one goes on with at once.
 */
export abstract class HeldWork<Piece extends { id: string; tenantId: string }>
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  protected readonly logger: Logger;
  protected readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();
  private readonly loop: WorkLoop;

  protected constructor(private readonly of: HeldWorkOf<Piece>) {
    this.logger = new Logger(of.one === 'move' ? 'Moves' : 'Restores');
    this.loop = new WorkLoop({
      pollMs: POLL_MS,
      pass: () => this.round(),
      failed: (error) => this.logger.error({ err: error }, `Due ${of.one}s cannot be read; trying again`),
    });
  }

  /** Does all that is left of a piece. @param stops throws when the work is to end */
  protected abstract work(piece: Piece, stops: () => void): Promise<void>;

  /** Stores that an attempt failed. */
  protected abstract failed(piece: Piece, error: unknown): Promise<void>;

  /** What there is to do beside the pieces. @returns whether there may be more of it at once */
  protected abstract beside(): Promise<boolean>;

  onModuleInit(): void {
    this.of.feed.on(this.of.channel, () => this.wake());
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.of.env)) this.start();
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
    const { store, database } = this.of;
    if (await this.beside()) return true;
    if (this.running.size >= CONCURRENCY || !(await store.isAnyDue())) return false;
    const hold = await PlaceHold.open(database);
    const piece = await store.claim(hold).catch(async (error: unknown) => {
      await hold.close();
      throw error;
    });
    if (piece) this.begin(hold, piece);
    else await hold.close();
    return piece !== undefined;
  }

  private begin(hold: PlaceHold, piece: Piece): void {
    const { one, lost, runner } = this.of;
    const about = { [one]: piece.id, tenant_id: piece.tenantId };
    const work = runner
      .runAsPlatform(one, () => this.attempt(hold, piece))
      .catch((error: unknown) => {
        if (error instanceof lost) this.logger.log(about, `A ${one} is in other hands`);
        else this.logger.error({ err: error, ...about }, `The outcome of a ${one} could not be stored`);
      })
      .finally(() => hold.close())
      .finally(() => {
        this.running.delete(work);
        this.wake();
      });
    this.running.add(work);
  }

  private async attempt(hold: PlaceHold, piece: Piece): Promise<void> {
    const { one, lost, interrupted, store } = this.of;
    const stops = (): void => {
      if (hold.lost) throw new lost();
      if (this.stopping.signal.aborted) throw new interrupted();
    };
    try {
      await this.work(piece, stops);
      this.logger.log({ [one]: piece.id, tenant_id: piece.tenantId }, `A ${one} is worked`);
    } catch (error) {
      if (error instanceof lost) throw error;
      if (error instanceof interrupted || this.stopping.signal.aborted) await store.postpone(piece, 0);
      else await this.failed(piece, error);
    }
  }
}

/** How long to wait after so many failures, in ms: exponential with jitter, 0.3 s, 0.6 s, 1.2 s … at most a minute. */
export function retryWaitMs(failures: number): number {
  return Math.min(300 * 2 ** failures, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
}
