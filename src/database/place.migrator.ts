import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import type { MigrationSet } from './migrator.js';

/** SQL for the login role of the place being migrated; NULL where the installation's tenant role serves it. */
export const LOGIN_OF_PLACE = `nullif(current_setting('tenantry.login_of_place', true), '')`;

type MigrationClass = MigrationSet['migrations'][number];

/** A schema of tenant-owned tables for one tenant. */
export interface PlaceSchema {
  schema: string;
  /** The tenant's own login role, if it has one. */
  login?: string | undefined;
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
    private readonly migrations: MigrationInterface[],
  ) {}

  /** @param url the migrator's, on a direct connection: the search path is the session's */
  static async connect(url: string, sets: MigrationSet[]): Promise<PlaceMigrator> {
    const source = new DataSource({ type: 'postgres', url, installExtensions: false, poolSize: 1 });
    await source.initialize();
    const migrations = tenantMigrations(sets).map((Migration) => new Migration());
    return new PlaceMigrator(source, source.createQueryRunner(), migrations);
  }

  /**
   * Runs what the schema lacks, each migration in a transaction of its own with its entry in the schema's ledger. The
   * schema is made when it is not there.
   *
   * @returns names of the migrations that ran
   */
  async toHead({ schema, login }: PlaceSchema): Promise<string[]> {
    const quoted = pg.escapeIdentifier(schema);
    await this.runner.query(`CREATE SCHEMA IF NOT EXISTS ${quoted}`);
    await this.runner.query(
      `SELECT set_config('search_path', $1, false), set_config('tenantry.login_of_place', $2, false)`,
      [quoted, login ?? ''],
    );
    await this.runner.query(
      'CREATE TABLE IF NOT EXISTS migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL)',
    );
    const ledger = (await this.runner.query('SELECT name FROM migrations')) as { name: string }[];
    const done = new Set(ledger.map(({ name }) => name));
    const ran: string[] = [];
    for (const migration of this.migrations) {
      const name = nameOf(migration);
      if (!done.has(name) && (await this.step(migration, name))) ran.push(name);
    }
    return ran;
  }

  /** Writes on the schema whose it is. */
  async sign(schema: string, note: string): Promise<void> {
    await this.runner.query(`COMMENT ON SCHEMA ${pg.escapeIdentifier(schema)} IS ${pg.escapeLiteral(note)}`);
  }

  async close(): Promise<void> {
    await this.runner.release();
    await this.source.destroy();
  }

  /** @returns whether it ran; two that migrate the same schema take turns at its ledger */
  private async step(migration: MigrationInterface, name: string): Promise<boolean> {
    await this.runner.startTransaction();
    try {
      await this.runner.query('LOCK TABLE migrations IN SHARE ROW EXCLUSIVE MODE');
      const done = (await this.runner.query('SELECT 1 FROM migrations WHERE name = $1', [name])) as unknown[];
      if (done.length === 0) {
        await migration.up(this.runner);
        await this.runner.query('INSERT INTO migrations ("timestamp", name) VALUES ($1, $2)', [timeOf(name), name]);
      }
      await this.runner.commitTransaction();
      return done.length === 0;
    } catch (error) {
      await this.runner.rollbackTransaction();
      throw error;
    }
  }
}

function nameOf(migration: MigrationInterface | MigrationClass): string {
  return migration.name ?? migration.constructor.name;
}

/** A migration's name ends with its time, as TypeORM asks. */
function timeOf(name: string): string {
  return /\d{13}$/.exec(name)?.[0] ?? '0';
}
