import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { MIGRATIONS } from '../../migrations/index.js';
import { EmbeddedPostgres, prepareDatabase } from '../../src/database/index.js';
import { parseEnv } from '../../src/env/index.js';
import { DEMO_SLUGS } from '../../src/tenant/index.js';
import { type Model, templateOf } from './models.js';
import { findPgBouncer, type PgBouncer, startPgBouncer } from './pgbouncer.js';
import { runSql } from './scratch-server.js';
import { TEMPLATE, testEnv, withDatabase } from './test-env.js';
import { keepSpares, welcomePlaces } from './test-places.js';

declare module 'vitest' {
  interface ProvidedContext {
    adminUrl: string;
    /** The same server by way of a pooler, where a model has one. */
    poolerUrl: string;
  }
}

/** One real PostgreSQL for the run, with a migrated template for each model that each test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const models = project.vitest.projects.map(({ name }) => name as Model);
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-test-'));
  const server = await EmbeddedPostgres.start({ dataDir });
  // Processes are killed in tests, machines are not: nothing has to be on the disk, and a database is made much sooner.
  await runSql(server.url, 'ALTER SYSTEM SET fsync = off');
  await runSql(server.url, 'SELECT pg_reload_conf()');
  await runSql(server.url, `CREATE DATABASE ${TEMPLATE}`);
  await prepared(server.url, TEMPLATE, dataDir);
  for (const model of ['schema', 'database'] as const) {
    if (!models.includes(model)) continue;
    const template = templateOf(model);
    await runSql(server.url, `CREATE DATABASE ${template} TEMPLATE ${TEMPLATE}`);
    const url = withDatabase(server.url, template);
    await welcomePlaces(url);
    // Schemas are cloned with their database; databases are made for each.
    const database = await prepared(server.url, template, dataDir);
    if (model === 'schema') await keepSpares(database, url, model, DEMO_SLUGS.length);
  }
  project.provide('adminUrl', server.url);
  const pooler = models.includes('pgbouncer') ? await startPooler(project, server.url) : undefined;
  return async () => {
    await pooler?.stop();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}

async function prepared(serverUrl: string, name: string, dataDir: string) {
  const env = testEnv({ DATABASE_URL: withDatabase(serverUrl, name), DATA_DIR: dataDir });
  const database = await prepareDatabase(parseEnv(env), MIGRATIONS);
  await database.stop();
  return database;
}

async function startPooler(project: TestProject, serverUrl: string): Promise<PgBouncer> {
  const pooler = await startPgBouncer(findPgBouncer()!, serverUrl);
  project.provide('poolerUrl', pooler.via(serverUrl));
  return pooler;
}
