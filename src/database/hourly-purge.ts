import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { type Env, worksInBackground } from '../env/index.js';
import { DATABASE, ENV } from './database.module.js';
import { type PlaceDatabase, PlaceDirectory, type PlaceTables } from './place.directory.js';
import type { PreparedDatabase } from './prepare.js';

const EVERY_MS = 60 * 60 * 1000;
/** Rows that one statement removes at most. */
export const PURGE_BATCH = 5000;
const CONNECT_MS = 10_000;
/** Longer than the maintenance role's statements may take: a server that went silent holds no run up for ever. */
const SILENCE_MS = 15 * 60 * 1000;

/** One run of a purge in one database: a connection of the maintenance role, and when to stop. */
export class PurgeRun {
  /** Whether the connection is gone, and with it every further statement. */
  lost = false;
  private tables: PlaceTables | undefined;

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

  /** Where tables are found that are named without a schema; undefined in the control plane. */
  get place(): string | undefined {
    return this.tables?.place;
  }

  /** From now on works on the tables of that place. @returns whether they are there */
  async enter(tables: PlaceTables): Promise<boolean> {
    this.tables = tables;
    const { rows } = await this.client.query<{ there: boolean }>(
      `SELECT set_config('search_path', $1, false), to_regnamespace($1) IS NOT NULL AS there`,
      [pg.escapeIdentifier(tables.schema)],
    );
    return rows[0]?.there ?? false;
  }

  /** From now on works on tables of the control plane. */
  leave(): void {
    this.tables = undefined;
  }

  /**
   * Runs `work` in a transaction that no other process' of that name and place overlaps. The lock ends with the
   * transaction, so that a pooler may stand between.
   *
   * @returns undefined when another process is at it, which is then left to it
   */
  async exclusively<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    await this.client.query('BEGIN');
    try {
      const { rows } = await this.client.query<{ free: boolean }>(
        'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free',
        [`tenantry:${name}${this.tables ? `:${this.tables.schema}` : ''}`],
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

type Counts = Record<string, number>;

/**
 * Removes, hourly and in every process, what has had its time: at every place that tenants live in, and in the control
 * plane. A place that fails is logged and fails no other.
 */
@Injectable()
export abstract class HourlyPurge<Result extends Counts> implements OnApplicationBootstrap, OnApplicationShutdown {
  protected readonly logger = new Logger(this.constructor.name);
  private stopping = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  @Inject(ENV) protected readonly env: Env;

  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly places: PlaceDirectory,
  ) {}

  /** What one run does to the tables of one place, which are found without naming a schema. */
  protected abstract ofTenants(run: PurgeRun): Promise<Partial<Result>>;

  /** What one run does in the control plane, once and last. @param removed at all places */
  protected ofPlatform?(run: PurgeRun, removed: Readonly<Partial<Result>>): Promise<Partial<Result>>;

  onApplicationBootstrap(): void {
    if (!worksInBackground(this.env)) return;
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping = true;
    await this.running;
  }

  /** @returns what was removed, all places together; on shutdown it ends after the batch at hand */
  async purge(): Promise<Result> {
    const removed = {} as Result;
    await this.connected(this.database.url('maintenance', true), async (home) => {
      for await (const database of this.places.databases()) {
        if (this.stopping) return;
        if (database.home) await this.purgeTables(home, database.tables, removed);
        else await this.purgeElsewhere(database, removed);
      }
      home.leave();
      if (this.ofPlatform && !this.stopping) add(removed, await this.ofPlatform(home, removed));
      if (home.lost) throw new Error('The connection to the control plane was lost.');
    });
    return removed;
  }

  private async purgeElsewhere(database: PlaceDatabase, removed: Counts): Promise<void> {
    try {
      const url = await database.url('maintenance', true);
      await this.connected(url, (run) => this.purgeTables(run, database.tables, removed));
    } catch (error) {
      this.failed(error, database.tables[0]?.place);
    }
  }

  /** @param removed what this place adds to, also when another one after it fails */
  private async purgeTables(run: PurgeRun, tables: PlaceTables[], removed: Counts): Promise<void> {
    for (const place of tables) {
      if (run.stopping) return;
      try {
        if ((await run.enter(place)) || !place.optional) add(removed, await this.ofTenants(run));
      } catch (error) {
        this.failed(error, place.place);
        if (run.lost) return;
      }
    }
  }

  private async connected(url: string, work: (run: PurgeRun) => Promise<void>): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: SILENCE_MS,
    });
    const run = new PurgeRun(client, () => this.stopping);
    try {
      await client.connect();
      await work(run);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private failed(error: unknown, place: string | undefined): void {
    this.logger.error({ err: error, place }, 'What had its time could not be removed at a place');
  }

  private start(): void {
    this.running ??= this.purge()
      .then((result) => this.logger.log({ removed: result }, 'What had its time is removed'))
      .catch((error: unknown) => this.logger.error({ err: error }, 'What had its time could not be removed'))
      .finally(() => (this.running = undefined));
  }
}

function add(sums: Counts, more: Partial<Counts>): void {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + (count ?? 0);
}
