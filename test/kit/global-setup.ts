import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { MIGRATIONS } from '../../migrations/index.js';
import { EmbeddedPostgres, prepareDatabase } from '../../src/database/index.js';
import { parseEnv } from '../../src/env/index.js';
import { TEMPLATE, testEnv, withDatabase } from './test-env.js';

declare module 'vitest' {
  interface ProvidedContext {
    adminUrl: string;
  }
}

/** One real PostgreSQL for the run, with one migrated template that each test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-test-'));
  const server = await EmbeddedPostgres.start({ dataDir });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE}`);
  await admin.end();
  const database = await prepareDatabase(
    parseEnv(testEnv({ DATABASE_URL: withDatabase(server.url, TEMPLATE), DATA_DIR: dataDir })),
    MIGRATIONS,
  );
  await database.stop();
  project.provide('adminUrl', server.url);
  return async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
