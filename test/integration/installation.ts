import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { prepareDatabase, type PreparedDatabase, ROLE_KINDS } from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { runSql } from '../kit/scratch-server.js';
import { testEnv, withDatabase } from '../kit/test-env.js';

export interface Installation {
  env: Env;
  prepared: PreparedDatabase;
  admin<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]>;
  drop(): Promise<void>;
}

/** An installation set up from an empty database, with roles of its own that a test may spoil. */
export async function createInstallation(): Promise<Installation> {
  const serverUrl = inject('adminUrl');
  const name = `fresh_${randomBytes(6).toString('hex')}`;
  await runSql(serverUrl, `CREATE DATABASE ${name}`);
  const adminUrl = withDatabase(serverUrl, name);
  const env = parseEnv(testEnv({ DATABASE_URL: adminUrl }));
  const prepared = await prepareDatabase(env, MIGRATIONS);
  return {
    env,
    prepared,
    admin: (sql) => runSql(adminUrl, sql) as never,
    drop: async () => {
      await prepared.stop();
      await runSql(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      await runSql(serverUrl, `DROP ROLE ${ROLE_KINDS.map((kind) => prepared.roles.name(kind)).join(', ')}`);
    },
  };
}
