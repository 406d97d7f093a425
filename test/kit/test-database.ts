import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type pg from 'pg';
import { inject } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { prepareDatabase, type PreparedDatabase } from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { runSql } from './scratch-server.js';
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

export type Overrides = NodeJS.ProcessEnv | ((adminUrl: string) => NodeJS.ProcessEnv);

/** A database of its own, cloned from the migrated template. */
export async function createTestDatabase(overrides: Overrides = {}): Promise<TestDatabase> {
  const serverUrl = inject('adminUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runSql(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const adminUrl = withDatabase(serverUrl, name);
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-data-'));
  const more = typeof overrides === 'function' ? overrides(adminUrl) : overrides;
  const env = parseEnv(testEnv({ DATABASE_URL: adminUrl, DEMO: 'on', DATA_DIR: dataDir, ...more }));
  const prepared = await prepareDatabase(env, MIGRATIONS);
  return {
    env,
    prepared,
    adminUrl,
    admin: (sql, values) => runSql(adminUrl, sql, values) as never,
    drop: async () => {
      await prepared.stop();
      await dropPlaces(serverUrl, adminUrl);
      await runSql(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Databases and login roles of tenants belong to the server, and would stay. */
async function dropPlaces(serverUrl: string, adminUrl: string): Promise<void> {
  const places = (await runSql(adminUrl, 'SELECT name, kind, login FROM platform.places')) as {
    name: string;
    kind: string;
    login: string | null;
  }[];
  for (const { name, kind, login } of places) {
    if (kind === 'database') await runSql(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    else await runSql(adminUrl, `DROP SCHEMA IF EXISTS ${name} CASCADE`);
    if (login === null) continue;
    const there = await runSql(adminUrl, 'SELECT 1 FROM pg_roles WHERE rolname = $1', [login]);
    if (there.length > 0) await runSql(adminUrl, `DROP OWNED BY ${login}; DROP ROLE ${login}`);
  }
}
