import pg from 'pg';
import { capturedTables, configure, HISTORY, KEEPALIVE, SteadyClient } from '../../database/index.js';
import { type Placement, schemaOf } from '../../tenancy/index.js';
import { CopyUnfit, MoveFailure } from './move.errors.js';

const CONNECT_MS = 10_000;
/** Values travel as text, so both ends have to write and read it the same way. */
const SETTINGS = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Keys are sought in the order of the primary key. Where statistics know nothing of a tenant, another index seems to be as
  // good, whose rows would be sorted: all of the tenant, for each key.
  enable_sort: 'off',
  enable_incremental_sort: 'off',
  // What has to be sorted all the same would seem to be worth compiling.
  jit: 'off',
  ...KEEPALIVE,
};
const TAKE = `SELECT pg_try_advisory_lock(hashtextextended('tenantry:mover:' || $1, 0)) AS mine`;
const IS_CLOSED = 'SELECT 1 FROM shared.closures WHERE tenant_id = $1 AND place = $2';
const CLOSE =
  'INSERT INTO shared.closures (tenant_id, place) VALUES ($1, $2) ON CONFLICT (tenant_id, place) DO NOTHING';
const OPEN = 'DELETE FROM shared.closures WHERE tenant_id = $1 AND place = $2';
const COPIES = `SELECT set_config('tenantry.copying', 'on', false)`;
/** More changes than there are during a move. */
const FAR = 1_000_000_000n;
const ONE_AFTER_THE_OTHER = `SELECT pg_advisory_xact_lock(hashtextextended('tenantry:history:' || $1, 0))`;
const SET_NUMBER = 'SELECT setval($1::regclass, $2)';
const sequenceOf = (schema: string): string => `${pg.escapeIdentifier(schema)}.history_seq_seq`;
const lastNumber = (schema: string): string => `SELECT last_value::text AS last FROM ${sequenceOf(schema)}`;
/** Rows that one statement deletes at most, so that no lock is held for long. */
const BATCH = 5000;

/** One end of a move: a place as the maintenance role sees it, in the hands of one worker. */
export class MovePlace {
  private constructor(
    readonly client: pg.Client,
    readonly tenantId: string,
    readonly schema: string,
  ) {}

  /**
   * Connects, and keeps every other worker from the tenant's rows there for as long as the connection is.
   *
   * @param url the maintenance role's, on a direct connection
   * @throws MoveFailure while another one has them
   */
  static async open(url: string, placement: Placement, tenantId: string): Promise<MovePlace> {
    const schema = schemaOf(placement);
    const client = await connect(url);
    try {
      const { rows } = await client.query<{ mine: boolean }>(TAKE, [`${schema}:${tenantId}`]);
      if (!rows[0]?.mine) throw new MoveFailure('the worker before this one has not ended yet');
      return new MovePlace(client, tenantId, schema);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Connects to read, beside whoever works there. @param url as of `open` */
  static async look(url: string, placement: Placement, tenantId: string): Promise<MovePlace> {
    return new MovePlace(await connect(url), tenantId, schemaOf(placement));
  }

  table(name: string): string {
    return `${pg.escapeIdentifier(this.schema)}.${pg.escapeIdentifier(name)}`;
  }

  /** The tables of what a tenant has, each after those it refers to. */
  tables(): Promise<string[]> {
    return capturedTables(this.client, this.schema);
  }

  /** From now on what this connection writes is a copy, and no history of the tenant. */
  async copies(): Promise<void> {
    await this.client.query(COPIES);
  }

  /**
   * Has what is captured here numbered far behind what was captured at another place: a move brings that along, and order is
   * told by these numbers alone. Other tenants' numbers only ever grow, too.
   */
  async numberBehind({ client, schema }: Pick<MovePlace, 'client' | 'schema'>): Promise<void> {
    const there = await client.query<{ last: string }>(lastNumber(schema));
    const last = BigInt(there.rows[0]!.last);
    await this.within(async () => {
      await this.client.query(ONE_AFTER_THE_OTHER, [this.schema]);
      const here = await this.client.query<{ last: string }>(lastNumber(this.schema));
      if (BigInt(here.rows[0]!.last) > last + FAR) return;
      await this.client.query(SET_NUMBER, [sequenceOf(this.schema), String(last + 2n * FAR)]);
    });
  }

  /** Whether the tenant is not served from here. */
  async isClosed(): Promise<boolean> {
    return (await this.client.query(IS_CLOSED, [this.tenantId, this.schema])).rows.length > 0;
  }

  /** In the open transaction, if there is one. */
  async close(): Promise<void> {
    await this.client.query(CLOSE, [this.tenantId, this.schema]);
  }

  async open(): Promise<void> {
    await this.client.query(OPEN, [this.tenantId, this.schema]);
  }

  /** Those, and what is kept of their past. */
  async allTables(): Promise<string[]> {
    return [...(await this.tables()), HISTORY];
  }

  /**
   * Deletes the tenant's rows, some at a time.
   *
   * @param tables each after those it refers to
   * @throws CopyUnfit when the tenant is served from here
   */
  async empty(tables: string[], check: () => Promise<void>): Promise<void> {
    for (const name of tables.toReversed()) {
      const table = this.table(name);
      const sql = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE tenant_id = $1 LIMIT ${BATCH}))
         AND EXISTS (SELECT FROM shared.closures WHERE tenant_id = $1 AND place = $2)`;
      for (let removed = BATCH; removed === BATCH;) {
        if (!(await this.isClosed())) throw new CopyUnfit('the tenant is served from there');
        removed = (await this.client.query(sql, [this.tenantId, this.schema])).rowCount ?? 0;
        await check();
      }
    }
  }

  /** Runs `work` in a transaction. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    await this.client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    try {
      const result = await work();
      await this.client.query('COMMIT');
      return result;
    } catch (error) {
      await this.client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async end(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

/** @param url the maintenance role's, on a direct connection */
export async function connect(url: string): Promise<pg.Client> {
  const client = new SteadyClient({ connectionString: url, keepAlive: true, connectionTimeoutMillis: CONNECT_MS });
  try {
    await client.connect();
    await configure(client, SETTINGS);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}
