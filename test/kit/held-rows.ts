import pg from 'pg';
import { inject } from 'vitest';
import { runSql } from './scratch-server.js';
import type { TestDatabase } from './test-database.js';
import { withDatabase } from './test-env.js';

export interface HeldRows {
  /** How many statements of this database, or of a tenant's, wait for a lock now, or behind one that does. */
  waiting(): Promise<number>;
  /** @param last what is still to be done before the commit */
  release(last?: string): Promise<void>;
}

/** Holds the rows of a `SELECT … FOR UPDATE` from outside, so that a test decides who comes first. */
export async function holdRows(database: TestDatabase, select: string, values: unknown[]): Promise<HeldRows> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query('BEGIN');
  const { rowCount } = await client.query(database.placed(select), values);
  if (!rowCount) throw new Error('There is no such row to hold.');
  return {
    waiting: async () => {
      const [row] = await database.admin<{ count: number }>(
        `SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND (datname = current_database() OR datname IN (SELECT name FROM platform.places))`,
      );
      return (row?.count ?? 0) + (await waitingForServer(database));
    },
    release: async (last) => {
      if (last !== undefined) await client.query(database.placed(last));
      await client.query('COMMIT');
      await client.end();
    },
  };
}

/** A pooler with one server connection lets nobody past whoever waits on it. */
async function waitingForServer({ prepared, adminUrl }: TestDatabase): Promise<number> {
  if (inject('model') !== 'pgbouncer') return 0;
  const pools = await runSql(withDatabase(inject('poolerUrl'), 'pgbouncer'), 'SHOW POOLS');
  const { username } = new URL(prepared.url('tenant'));
  const own = (pools as { database: string; user: string; cl_waiting: number }[]).filter(
    ({ database, user }) => user === username && `/${database}` === new URL(adminUrl).pathname,
  );
  return own.reduce((sum, pool) => sum + Number(pool.cl_waiting), 0);
}
