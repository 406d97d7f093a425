import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type pg from 'pg';
import { inject } from 'vitest';
import { prepareDatabase, type PreparedDatabase } from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { migrationsOf, type Product } from '../../src/product.js';
import { DEMO_SLUGS } from '../../src/tenant/index.js';
import { placeKind, templateOf } from './models.js';
import { placed, PlacedAdmin } from './placed-sql.js';
import { runSql } from './scratch-server.js';
import { TEMPLATE, testEnv, withDatabase } from './test-env.js';
import { dropPlaces, keepSpares, welcomePlaces } from './test-places.js';

export interface TestDatabase {
  env: Env;
  prepared: PreparedDatabase;
  /** Superuser URL of this database, for setting a scene. */
  adminUrl: string;
  /** Runs SQL as the superuser, past every layer. `everywhere.users` are the users of all tenants, wherever they live. */
  admin<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The same SQL for a connection that a test opens to `adminUrl` itself. */
  placed(sql: string): string;
  /** Makes sure that so many tenants can be imported into places of their own, where this run has such. */
  keepSpares(count: number): Promise<void>;
  drop(): Promise<void>;
}

export type Overrides = NodeJS.ProcessEnv | ((adminUrl: string) => NodeJS.ProcessEnv);

/** A database of its own, cloned from the migrated template, with places for the demo tenants. */
export async function createTestDatabase(overrides: Overrides = {}, product: Product = {}): Promise<TestDatabase> {
  const serverUrl = inject('adminUrl');
  const kind = placeKind();
  // What the template has of places was made before the product brings its tables.
  const brings = kind !== undefined && product.migrations !== undefined;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runSql(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${brings ? TEMPLATE : templateOf(inject('model'))}`);
  const adminUrl = withDatabase(serverUrl, name);
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-data-'));
  const more = typeof overrides === 'function' ? overrides(adminUrl) : overrides;
  const env = parseEnv(testEnv({ ...reachedBy(adminUrl), DEMO: 'on', DATA_DIR: dataDir, ...more }));
  const prepared = await prepareDatabase(env, migrationsOf(product));
  if (brings) await welcomePlaces(adminUrl);
  const spares = async (count: number): Promise<void> => {
    if (kind !== undefined) await keepSpares(prepared, adminUrl, kind, count);
  };
  if (env.demo) await spares(DEMO_SLUGS.length);
  const admin = new PlacedAdmin(adminUrl, kind);
  return {
    env,
    prepared,
    adminUrl,
    admin: (sql, values) => admin.run(sql, values) as never,
    placed: (sql) => placed(sql, kind),
    keepSpares: spares,
    drop: async () => {
      await prepared.stop();
      await admin.end();
      await dropPlaces(serverUrl, adminUrl);
      await runSql(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function reachedBy(adminUrl: string): NodeJS.ProcessEnv {
  if (inject('model') !== 'pgbouncer') return { DATABASE_URL: adminUrl };
  const { pathname } = new URL(adminUrl);
  const pooled = withDatabase(inject('poolerUrl'), pathname.slice(1));
  return { DATABASE_URL: pooled, DATABASE_DIRECT_URL: adminUrl };
}
