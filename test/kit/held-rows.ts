import pg from 'pg';
import type { TestDatabase } from './test-database.js';

export interface HeldRows {
  /** How many statements of this database, or of a tenant's, wait for a lock now. */
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
      return row?.count ?? 0;
    },
    release: async (last) => {
      if (last !== undefined) await client.query(database.placed(last));
      await client.query('COMMIT');
      await client.end();
    },
  };
}
