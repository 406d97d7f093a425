import type { Redis } from 'ioredis';
import type { RedisConnection } from '../redis/index.js';
import { ProcessCensus } from './process.census.js';

/** What is told when Redis stops answering, and when it answers again. */
export interface RedisWatcher {
  /** @param error of the command that showed it, where one did */
  lost(error?: unknown): void;
  /** Before anybody is told that it answers; what is to be done then may take a while and fail. */
  returning(): Promise<void>;
  /** At once afterwards. */
  back(): void;
}

/** Between two looks for a Redis that does not answer, in ms: at first, and at most while it comes and goes. */
const LOOK_MS = 200;
const LOOK_AT_MOST_MS = 5000;
/** A return that lasts for less is none, in ms. */
const LASTING_MS = 10_000;
/** After this long without an answer the connection is made anew, in ms: it may be dead and not know. */
const DEAD_MS = 2000;

/** Knows whether Redis answers, in time and to scripts that write: a connection alone does not show it. */
export class RedisWatch {
  readonly census: ProcessCensus;
  private isAnswering = false;
  private silentSinceMs?: number;
  private returnedMs = -Infinity;
  private lookMs = LOOK_MS;
  private looks = 0;
  private ended = false;
  private timer?: NodeJS.Timeout;

  /**
   * @param client of the connection
   * @param patienceMs an answer that takes longer is none
   */
  constructor(
    private readonly client: Redis,
    private readonly connection: RedisConnection,
    private readonly watcher: RedisWatcher,
    private readonly patienceMs: number,
  ) {
    this.census = new ProcessCensus(client);
    connection.onChange((up) => {
      if (up) void this.look();
      else this.lose();
    });
  }

  /** Whether a command has a chance. */
  get answering(): boolean {
    return this.isAnswering;
  }

  /** Waits for a first answer, no longer than a connection may take. */
  async start(): Promise<void> {
    await this.connection.settled();
    await this.look();
  }

  async stop(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    if (this.isAnswering) await this.census.leave();
  }

  /** To be told of a command that was not answered. */
  lose(error?: unknown): void {
    if (!this.isAnswering) return;
    this.isAnswering = false;
    const lasted = performance.now() - this.returnedMs >= LASTING_MS;
    this.lookMs = lasted ? LOOK_MS : Math.min(2 * this.lookMs, LOOK_AT_MOST_MS);
    this.lookLater(this.lookMs);
    this.watcher.lost(error);
  }

  /** Tells Redis of this process, which shows at the same time whether it answers. */
  private async look(): Promise<void> {
    const turn = (this.looks += 1);
    clearTimeout(this.timer);
    const answered = await this.askInTime();
    // Another look has begun since.
    if (turn !== this.looks || this.ended) return;
    if (!answered) this.miss();
    else if (!this.isAnswering && !(await this.takeBack(turn))) return;
    this.lookLater(this.isAnswering ? ProcessCensus.BEAT_MS : this.lookMs);
  }

  private async askInTime(): Promise<boolean> {
    const startedMs = performance.now();
    try {
      await this.census.beat();
    } catch {
      return false;
    }
    this.silentSinceMs = undefined;
    return performance.now() - startedMs <= this.patienceMs;
  }

  /** @returns whether this look is still the last one */
  private async takeBack(turn: number): Promise<boolean> {
    const ready = await this.watcher.returning().then(
      () => true,
      () => false,
    );
    if (turn !== this.looks || this.ended) return false;
    if (!ready || !this.connection.up) return true;
    this.isAnswering = true;
    this.returnedMs = performance.now();
    this.watcher.back();
    return true;
  }

  private miss(): void {
    this.lose();
    const now = performance.now();
    this.silentSinceMs ??= now;
    if (!this.connection.up || now - this.silentSinceMs < DEAD_MS) return;
    this.silentSinceMs = now;
    this.client.disconnect(true);
  }

  private lookLater(ms: number): void {
    clearTimeout(this.timer);
    if (!this.ended) this.timer = setTimeout(() => void this.look(), ms).unref();
  }
}
