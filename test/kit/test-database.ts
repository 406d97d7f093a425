import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { prepareDatabase, type PreparedDatabase } from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { TEMPLATE, testEnv, withDatabase } from './test-env.js';

export interface TestDatabase {
  env: Env;
  prepared: PreparedDatabase;
  /** Superuser URL of this database, for setting a scene. */
  adminUrl: string;
  /** Runs SQL as the superuser, past every layer. */
  admin<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A database of its own, cloned from the migrated template. */
export async function createTestDatabase(overrides: NodeJS.ProcessEnv = {}): Promise<TestDatabase> {
  const serverUrl = inject('adminUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await run(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const adminUrl = withDatabase(serverUrl, name);
  const env = parseEnv(testEnv({ DATABASE_URL: adminUrl, DEMO: 'on', ...overrides }));
  const prepared = await prepareDatabase(env, MIGRATIONS);
  return {
    env,
    prepared,
    adminUrl,
    admin: (sql, values) => run(adminUrl, sql, values) as never,
    drop: async () => {
      await prepared.stop();
      await run(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function run(url: string, sql: string, values?: unknown[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as unknown[];
  } finally {
    await client.end();
  }
}
