import pg from 'pg';
import { DataSource, type QueryRunner } from 'typeorm';
import { type MigrationClass, nameOf, type TenantMigration, timeOf } from './migration.names.js';
import type { MigrationSet } from './migrator.js';
import { recording, type RehearsedMigration, undone } from './rehearsal.js';
import { SteadyClient } from './steady.client.js';

/** SQL for the login role of the place being migrated; NULL where the installation's tenant role serves it. */
export const LOGIN_OF_PLACE = `nullif(current_setting('tenantry.login_of_place', true), '')`;

/** How long a connection may take, in ms. */
const CONNECT_MS = 10_000;
const ENTER = `SELECT set_config('search_path', $1, false), set_config('tenantry.login_of_place', $2, false),
  coalesce(nullif($2, ''), regexp_replace(current_user, 'migrator$', 'tenant')) AS tenant,
  to_regclass($1 || '.migrations') IS NOT NULL AS there,
  EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1 || '.migrations')
             AND attname = 'oldest_application' AND NOT attisdropped) AS ready`;

/** A schema of tenant-owned tables for one tenant. */
export interface PlaceSchema {
  schema: string;
  /** The tenant's own login role, if it has one. */
  login?: string | undefined;
}

interface Entered {
  /** The role that serves from it. */
  tenant: string;
  /** Whether its ledger is there. */
  there: boolean;
  /** And as it is to be. */
  ready: boolean;
}

/** A migration of a place failed; those before it stay. */
export class PlaceMigrationFailed extends Error {
  constructor(
    readonly migration: string,
    /** The newest migration that the place has. */
    readonly reached: string | undefined,
    cause: unknown,
  ) {
    super(`${migration}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'PlaceMigrationFailed';
  }
}

/** What a place is at when it is at head: the newest migration of tenant-owned tables. */
export function headOf(sets: MigrationSet[]): string {
  return nameOf(tenantMigrations(sets).at(-1)!);
}

export function tenantMigrations(sets: MigrationSet[]): MigrationClass[] {
  return sets.find(({ schema }) => schema === 'shared')?.migrations ?? [];
}

/** Brings schemas of one database to head, one after the other, over one connection of the migrator. */
export class PlaceMigrator {
  private constructor(
    private readonly source: DataSource,
    private readonly runner: QueryRunner,
    private readonly migrations: TenantMigration[],
  ) {}

  /** @param url the migrator's, on a direct connection: the search path is the session's */
  static async connect(url: string, sets: MigrationSet[]): Promise<PlaceMigrator> {
    const source = new DataSource({
      type: 'postgres',
      url,
      installExtensions: false,
      poolSize: 1,
      connectTimeoutMS: CONNECT_MS,
      extra: { keepAlive: true, Client: SteadyClient },
    });
    await source.initialize();
    const migrations = tenantMigrations(sets).map((Migration) => new Migration());
    return new PlaceMigrator(source, source.createQueryRunner(), migrations);
  }

  /**
   * Runs what the schema lacks, each migration in a transaction of its own with its entry in the schema's ledger. The
   * schema is made when it is not there.
   *
   * @returns names of the migrations that ran
   * @throws PlaceMigrationFailed
   */
  async toHead(place: PlaceSchema): Promise<string[]> {
    const { tenant, ready } = await this.enter(place);
    if (!ready) await this.makeLedger(place.schema, tenant);
    const done = await this.ledger();
    const ran: string[] = [];
    for (const migration of this.migrations) {
      const name = nameOf(migration);
      if (done.has(name)) continue;
      try {
        if (await this.step(migration, name)) ran.push(name);
      } catch (error) {
        throw new PlaceMigrationFailed(name, ran.at(-1) ?? [...done].at(-1), error);
      }
    }
    return ran;
  }

  /** Writes on the schema whose it is. */
  async sign(schema: string, note: string): Promise<void> {
    await this.runner.query(`COMMENT ON SCHEMA ${pg.escapeIdentifier(schema)} IS ${pg.escapeLiteral(note)}`);
  }

  /** Runs what the schema lacks in one transaction that is rolled back. */
  async rehearse(place: PlaceSchema): Promise<RehearsedMigration[]> {
    const { there } = await this.enter(place);
    const done = there ? await this.ledger() : new Set<string>();
    const pending = this.migrations.filter((migration) => !done.has(nameOf(migration)));
    return undone(this.runner, async () => {
      if (!there) await this.runner.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(place.schema)}`);
      return recording(this.runner, pending);
    });
  }

  async close(): Promise<void> {
    await this.runner.release().catch(() => undefined);
    await this.source.destroy().catch(() => undefined);
  }

  private async enter({ schema, login }: PlaceSchema): Promise<Entered> {
    const rows = (await this.runner.query(ENTER, [pg.escapeIdentifier(schema), login ?? ''])) as Entered[];
    return rows[0]!;
  }

  /** Its tenant's role reads from it whether the application works with the place. */
  private async makeLedger(schema: string, tenant: string): Promise<void> {
    await this.within(async () => {
      await this.runner.query(`SELECT pg_advisory_xact_lock(hashtextextended('tenantry:place:' || $1, 0))`, [schema]);
      await this.runner.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`);
      await this.runner.query(
        'CREATE TABLE IF NOT EXISTS migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL)',
      );
      await this.runner.query('ALTER TABLE migrations ADD COLUMN IF NOT EXISTS oldest_application varchar');
      await this.runner.query(`GRANT SELECT ON migrations TO ${pg.escapeIdentifier(tenant)}`);
    });
  }

  private async ledger(): Promise<Set<string>> {
    const rows = (await this.runner.query('SELECT name FROM migrations ORDER BY "timestamp"')) as { name: string }[];
    return new Set(rows.map(({ name }) => name));
  }

  /** @returns whether it ran; two that migrate the same schema take turns at its ledger */
  private step(migration: TenantMigration, name: string): Promise<boolean> {
    return this.within(async () => {
      await this.runner.query('LOCK TABLE migrations IN SHARE ROW EXCLUSIVE MODE');
      const done = (await this.runner.query('SELECT 1 FROM migrations WHERE name = $1', [name])) as unknown[];
      if (done.length > 0) return false;
      await migration.up(this.runner);
      await this.runner.query('INSERT INTO migrations ("timestamp", name, oldest_application) VALUES ($1, $2, $3)', [
        timeOf(name),
        name,
        migration.oldestApplication ?? null,
      ]);
      return true;
    });
  }

  private async within<T>(work: () => Promise<T>): Promise<T> {
    await this.runner.startTransaction();
    try {
      const result = await work();
      await this.runner.commitTransaction();
      return result;
    } catch (error) {
      // A connection that is gone cannot say so twice.
      await this.runner.rollbackTransaction().catch(() => undefined);
      throw error;
    }
  }
}
