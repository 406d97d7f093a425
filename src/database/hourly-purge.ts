import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { type Env, worksInBackground } from '../env/index.js';
import { DATABASE, ENV } from './database.module.js';
import type { PreparedDatabase } from './prepare.js';

const EVERY_MS = 60 * 60 * 1000;
/** Rows that one statement removes at most. */
export const PURGE_BATCH = 5000;

/** One run of a purge: a connection of the maintenance role, and when to stop. */
export class PurgeRun {
  /** Whether the connection is gone, and with it every further statement. */
  lost = false;

  constructor(
    readonly client: pg.Client,
    private readonly isStopping: () => boolean,
  ) {
    // A connection that is lost, as in a failover, says so by event too; unheard, that would end the process.
    client.on('error', () => (this.lost = true));
  }

  /** Whether the process is ending: what is left keeps until the next run. */
  get stopping(): boolean {
    return this.isStopping();
  }

  /**
   * Runs `work` in a transaction that no other process' of that name overlaps. The lock ends with the transaction, so
   * that a pooler may stand between.
   *
   * @returns undefined when another process is at it, which is then left to it
   */
  async exclusively<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    await this.client.query('BEGIN');
    try {
      const { rows } = await this.client.query<{ free: boolean }>(
        'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free',
        [`tenantry:${name}`],
      );
      const result = rows[0]?.free ? await work() : undefined;
      await this.client.query('COMMIT');
      return result;
    } catch (error) {
      await this.client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /**
   * @param sql removes at most as many rows as its last parameter says, which follows `values`
   * @param maxBatches after which the rest waits for the next run
   * @returns how many rows went
   */
  async remove(sql: string, values: unknown[] = [], maxBatches = Infinity): Promise<number> {
    return this.inBatches(maxBatches, () => this.removeOnce(sql, values));
  }

  /** The same with every batch in a transaction of its own under the lock of that name. */
  async removeExclusively(name: string, sql: string, values: unknown[] = []): Promise<number> {
    return this.inBatches(
      Infinity,
      async () => (await this.exclusively(name, () => this.removeOnce(sql, values))) ?? 0,
    );
  }

  private async removeOnce(sql: string, values: unknown[]): Promise<number> {
    return (await this.client.query(sql, [...values, PURGE_BATCH])).rowCount ?? 0;
  }

  private async inBatches(max: number, remove: () => Promise<number>): Promise<number> {
    let removed = 0;
    for (let n = 0; n < max && !this.stopping; n += 1) {
      const batch = await remove();
      removed += batch;
      if (batch < PURGE_BATCH) break;
    }
    return removed;
  }
}

/** Removes, hourly and in every process, what has had its time. A run that fails is logged and fails nothing else. */
@Injectable()
export abstract class HourlyPurge<Result> implements OnApplicationBootstrap, OnApplicationShutdown {
  protected readonly logger = new Logger(this.constructor.name);
  private stopping = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  @Inject(ENV) protected readonly env: Env;

  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  /** What one run does. */
  protected abstract work(run: PurgeRun): Promise<Result>;

  onApplicationBootstrap(): void {
    if (!worksInBackground(this.env)) return;
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping = true;
    await this.running;
  }

  /** @returns what was removed; on shutdown it ends after the batch at hand */
  async purge(): Promise<Result> {
    const client = new pg.Client({ connectionString: this.database.url('maintenance'), keepAlive: true });
    const run = new PurgeRun(client, () => this.stopping);
    await client.connect();
    try {
      return await this.work(run);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private start(): void {
    this.running ??= this.purge()
      .then((result) => this.logger.log({ removed: result }, 'What had its time is removed'))
      .catch((error: unknown) => this.logger.error({ err: error }, 'What had its time could not be removed'))
      .finally(() => (this.running = undefined));
  }
}
