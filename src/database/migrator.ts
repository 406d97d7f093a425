import type pg from 'pg';
import { DataSource } from 'typeorm';
import { distribute } from './citus.js';
import { JOBS_SCHEMA, migrateJobs } from './job-schema.js';
import type { MigrationClass } from './migration.names.js';
import { SteadyClient } from './steady.client.js';

/** The migrations of the control plane, or those of tenant-owned tables. */
export interface MigrationSet {
  /** The schema that the set lives in, with its own ledger. */
  schema: 'platform' | 'shared';
  migrations: MigrationClass[];
  /** Of tenant-owned tables: the oldest migration at which a place can be served from; the newest when left out. */
  oldestSupported?: string;
}

const LOCK = 'tenantry:migrate';

/**
 * Brings the sets to head, in order, and the job engine's schema after them, as the non-superuser migrator. Safe when several processes start at once.
 *
 * @param url the migrator's URL on a direct connection: the lock is a session's
 * @returns names of the migrations that ran
 */
export async function migrate(url: string, installation: string, sets: MigrationSet[]): Promise<string[]> {
  return withLock(url, async (client) => {
    const { rows } = await client.query<{ nspname: string }>(
      `SELECT nspname FROM pg_namespace WHERE nspname IN ('platform', 'shared')`,
    );
    // Only what is missing: a cloned or restored database has the schemas but not the right to create more.
    if (!rows.some((row) => row.nspname === 'platform')) {
      await client.query('CREATE SCHEMA platform');
      // The name is made of word characters by installationOf.
      await client.query(`COMMENT ON SCHEMA platform IS 'tenantry installation ${installation}'`);
    }
    if (!rows.some((row) => row.nspname === 'shared')) await client.query('CREATE SCHEMA shared');
    const done: string[] = [];
    for (const set of sets) {
      const source = await open(url, set);
      try {
        for (const migration of await source.runMigrations({ transaction: 'each' })) done.push(migration.name);
      } finally {
        await source.destroy();
      }
    }
    await distribute(client);
    await migrateJobs(client, `${installation}_platform`);
    return done;
  });
}

/** Takes every migration back, last set first. For tests and for starting over. */
export async function revertAll(url: string, sets: MigrationSet[]): Promise<void> {
  await withLock(url, async (client) => {
    await client.query(`DROP SCHEMA IF EXISTS ${JOBS_SCHEMA} CASCADE`);
    for (const set of [...sets].reverse()) {
      const source = await open(url, set);
      try {
        for (const _ of set.migrations) await source.undoLastMigration({ transaction: 'each' });
      } finally {
        await source.destroy();
      }
    }
  });
}

async function open(url: string, set: MigrationSet): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url,
    schema: set.schema,
    migrations: set.migrations,
    migrationsTableName: 'migrations',
    installExtensions: false,
    poolSize: 1,
    extra: { options: `-c search_path=${set.schema}`, Client: SteadyClient },
  });
  return source.initialize();
}

async function withLock<T>(url: string, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new SteadyClient({ connectionString: url });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [LOCK]);
    return await fn(client);
  } finally {
    await client.end();
  }
}
