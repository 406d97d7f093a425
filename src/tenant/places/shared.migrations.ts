import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import {
  DATABASE,
  headOf,
  PlaceMigrator,
  type PreparedDatabase,
  type RehearsedMigration,
} from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { Servers } from './servers.js';

const BEHIND = `SELECT name FROM servers WHERE url IS NOT NULL
   AND (shared_version IS NULL OR right(shared_version, 13) < right($1, 13))
   AND (NOT $2::boolean OR shared_retry_at IS NULL OR shared_retry_at <= now()) ORDER BY name`;
const STARTED = 'UPDATE servers SET shared_started_at = clock_timestamp(), shared_ended_at = NULL WHERE name = $1';
const DONE = `UPDATE servers SET shared_version = $2, shared_ms = $3, shared_ended_at = clock_timestamp(),
    shared_error = NULL, shared_failures = 0, shared_retry_at = NULL WHERE name = $1`;
const FAILED = `UPDATE servers SET shared_ms = $2, shared_ended_at = clock_timestamp(), shared_error = $3,
    shared_failures = shared_failures + 1,
    shared_retry_at = now() + least(10 * 2 ^ least(shared_failures, 10), 3600) * interval '1 second'
  WHERE name = $1 RETURNING shared_failures AS failures`;

export interface MigratedServer {
  server: string;
  ran: string[];
  ms: number;
  error?: string;
  /** Failures in a row. */
  failures: number;
}

export interface SharedVersion {
  server: string;
  version: string | null;
  error: string | null;
}

/** Brings the shared tables of servers besides the primary to head. */
@Injectable()
export class SharedMigrations {
  private readonly head: string;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
  ) {
    this.head = headOf(database.migrations);
  }

  /** Whether the platform's tables are new enough to tell. */
  async isKept(): Promise<boolean> {
    const rows = await this.platform.query<unknown[]>(
      `SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('servers') AND attname = 'shared_version'`,
    );
    return rows.length > 0;
  }

  /** @param due not those that failed and are to be tried again only later */
  async behind(due = false): Promise<string[]> {
    const rows = await this.platform.query<{ name: string }[]>(BEHIND, [this.head, due]);
    return rows.map(({ name }) => name);
  }

  /** What the server's shared tables lack, run and taken back. */
  async rehearse(server: string): Promise<RehearsedMigration[]> {
    const migrator = await this.connect(server);
    try {
      return await migrator.rehearse({ schema: 'shared' });
    } finally {
      await migrator.close();
    }
  }

  /** What is known of them, by server. */
  versions(): Promise<SharedVersion[]> {
    return this.platform.query<SharedVersion[]>(
      `SELECT name AS server, shared_version AS version, shared_error AS error FROM servers
        WHERE url IS NOT NULL ORDER BY name`,
    );
  }

  /** May run at once in several processes: they take turns at the ledger of the tables. */
  async migrate(server: string): Promise<MigratedServer> {
    const started = performance.now();
    const elapsed = (): number => Math.round(performance.now() - started);
    let migrator: PlaceMigrator | undefined;
    try {
      await this.platform.query(STARTED, [server]);
      migrator = await this.connect(server);
      const ran = await migrator.toHead({ schema: 'shared' });
      await this.platform.query(DONE, [server, this.head, elapsed()]);
      return { server, ran, ms: elapsed(), failures: 0 };
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      const [rows] = await this.platform.query<[{ failures: number }[], number]>(FAILED, [server, elapsed(), error]);
      return { server, ran: [], ms: elapsed(), error, failures: rows[0]?.failures ?? 1 };
    } finally {
      await migrator?.close();
    }
  }

  private async connect(server: string): Promise<PlaceMigrator> {
    const url = (await this.servers.addressOf(server)).url('migrator', true);
    return PlaceMigrator.connect(url, this.database.migrations);
  }
}
