import { randomInt } from 'node:crypto';
import type pg from 'pg';
import { configure, KEEPALIVE, type PreparedDatabase, SteadyClient } from '../../database/index.js';

/** First of the two numbers of a hold's lock; the second is the hold's own. */
const NAMESPACE = 1_413_565_516;
/** Holds of processes that live; a dead one's session ended, and with it the lock. */
const LIVING = `SELECT objid::bigint FROM pg_locks
  WHERE locktype = 'advisory' AND classid = ${NAMESPACE} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** SQL: nobody who still lives has the place `p` in hand. */
export const IS_FREE = `(p.held_by IS NULL OR p.held_by NOT IN (${LIVING}))`;

const TAKE = `UPDATE places p SET held_by = $1 WHERE server = $2 AND name = $3 AND ${IS_FREE} RETURNING 1`;
const GIVE_BACK = 'UPDATE places SET held_by = NULL WHERE server = $1 AND name = $2 AND held_by = $3';

/**
 * Keeps places in one process' hand, as the number in their `held_by`: good for as long as this session is. What a process
 * that was killed had in hand is free at once.
 */
export class PlaceHold {
  private ended = false;

  private constructor(
    private readonly client: pg.Client,
    readonly id: number,
    /** When it began, by the database's clock. */
    readonly since: string,
  ) {
    // Unheard, a connection that breaks would end the process.
    client.on('error', () => (this.ended = true));
    client.on('end', () => (this.ended = true));
  }

  static async open(database: PreparedDatabase): Promise<PlaceHold> {
    const client = new SteadyClient({ connectionString: database.url('platform', true), keepAlive: true });
    await client.connect();
    try {
      await configure(client, KEEPALIVE);
      for (;;) {
        const id = randomInt(1, 2 ** 31);
        const { rows } = await client.query<{ mine: boolean; since: string }>(
          'SELECT pg_try_advisory_lock($1, $2) AS mine, clock_timestamp()::text AS since',
          [NAMESPACE, id],
        );
        if (rows[0]?.mine) return new PlaceHold(client, id, rows[0].since);
      }
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Whether the session is gone, so that others may take what it has in hand. */
  get lost(): boolean {
    return this.ended;
  }

  /** Whether this one alone looks after spare and left-over places; until it is closed. */
  async keepsAlone(): Promise<boolean> {
    const { rows } = await this.client.query<{ alone: boolean }>(
      `SELECT pg_try_advisory_lock(hashtextextended('tenantry:place-keeper', 0)) AS alone`,
    );
    return rows[0]?.alone ?? false;
  }

  /** @returns false while somebody else has it in hand, or when it is gone */
  async take({ server, name }: { server: string; name: string }): Promise<boolean> {
    return (await this.client.query(TAKE, [this.id, server, name])).rowCount === 1;
  }

  async giveBack({ server, name }: { server: string; name: string }): Promise<void> {
    await this.client.query(GIVE_BACK, [server, name, this.id]);
  }

  /** Gives its locks back first: a session that says good-bye may live on for a moment. */
  async close(): Promise<void> {
    if (!this.lost) await this.client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    await this.client.end().catch(() => undefined);
  }
}
