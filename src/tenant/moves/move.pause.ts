import type pg from 'pg';
import { TablesChanged } from './move.errors.js';
import { applyDelta } from './move.follower.js';
import type { MovePlace } from './move.place.js';
import type { MovedTable } from './moved.tables.js';
import { countChanges } from './row.statements.js';

/** How long transactions that hold the tenant are waited for, in ms: whoever begins one waits as long. */
export const LOCK_MS = 500;
/** What is done while the tenant waits takes at most this long, in ms; else it is taken back and tried again. */
const PAUSE_MS = 2000;
/** Changes that are brought while the tenant waits, at most. */
const MAX_CHANGES = 5000;
/** A worker that hangs lets go of the tenant after this long. */
const IDLE_MS = 5000;
const GUARD = `SET LOCAL lock_timeout = ${LOCK_MS}; SET LOCAL statement_timeout = ${PAUSE_MS};
  SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS}`;
const PAUSE = 'SELECT pg_advisory_xact_lock(shared.fence_key($1))';

/** Why a pause came to nothing; the tenant is served as before. */
export class PauseFailed extends Error {
  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = 'PauseFailed';
  }
}

export interface Leaving {
  source: MovePlace;
  target: MovePlace;
  /** Whose changes are brought. */
  tables: MovedTable[];
}

/**
 * Brings the last changes to the target and closes the source, while those who want to work with the tenant wait. When this
 * returns there is no way back.
 *
 * @param present what `tables` would be now
 * @param last what else is to be done before anybody works again
 * @returns when the pause began, by this process's monotonic clock, and how many rows were brought in it
 * @throws PauseFailed, CopyUnfit
 */
export async function leaveSource(
  { source, target, tables }: Leaving,
  present: () => Promise<MovedTable[]>,
  last: () => Promise<void> = () => Promise.resolve(),
): Promise<{ began: number; rows: number }> {
  const { client, tenantId } = source;
  // With a snapshot from before the pause, what was waited for would be left behind.
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
  await client.query(GUARD);
  const began = performance.now();
  try {
    // From here on new transactions of the tenant wait, and those that run are waited for.
    await client.query(PAUSE, [tenantId]);
    const reader = {
      query: async (sql: string, values: unknown[]) => (await client.query(sql, values)).rows as never,
    };
    if (JSON.stringify(await present()) !== JSON.stringify(tables)) throw new TablesChanged();
    const counted = await client.query<{ n: number }>(countChanges(source.table('changes')), [tenantId, MAX_CHANGES]);
    if (counted.rows[0]!.n >= MAX_CHANGES) throw new PauseFailed('too much has changed');
    const inTime = (): Promise<void> => {
      if (performance.now() - began > PAUSE_MS) throw new PauseFailed('it took too long');
      return Promise.resolve();
    };
    const { rows } = await applyDelta({ reader, source, target, tables }, inTime, true);
    await last();
    await inTime();
    await source.close();
    await client.query('COMMIT');
    return { began, rows };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if (isTimeout(error)) throw new PauseFailed('a transaction of the tenant is held open', { cause: error });
    throw error;
  }
}

/** A lock was not to be had, or a statement took too long. */
export function isTimeout(error: unknown): boolean {
  const { code, driverError } = error as Partial<pg.DatabaseError> & { driverError?: pg.DatabaseError };
  return ['55P03', '57014'].includes(code ?? driverError?.code ?? '');
}
