import type pg from 'pg';
import { capturedTables } from '../../database/index.js';
import {
  DEFAULT_SERVER,
  schemaOf,
  serverOf,
  shareOf,
  type Tenant,
  type TenantDataSource,
  TenantMoving,
} from '../../tenancy/index.js';

/** Rows fetched at once. */
const PAGE = 1000;

const OPEN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/** Values as text are the same whatever the server's, the database's or the role's settings are. */
const SCOPE = `SELECT set_config('app.tenant_id', $1, true), set_config('search_path', quote_ident($2), true),
  set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, MDY', true), set_config('IntervalStyle', 'postgres', true),
  set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
  set_config('idle_in_transaction_session_timeout', '10min', true), clock_timestamp() AS moment`;
const CLOSED = 'SELECT 1 FROM shared.closures WHERE tenant_id = $1 AND place = $2';
const HEAD = 'SELECT name FROM migrations ORDER BY "timestamp" DESC LIMIT 1';
const COLUMNS = `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required FROM pg_attribute
  WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`;
const FETCH = `FETCH ${PAGE} FROM archived`;

export interface Column {
  name: string;
  type: string;
  /** NOT NULL. */
  required: boolean;
}

/** The columns of a table but the tenant's own id. */
export async function columnsOf(client: Pick<pg.ClientBase, 'query'>, table: string): Promise<Column[]> {
  const { rows } = await client.query<Column>(COLUMNS, [quoted(table)]);
  return rows.filter(({ name }) => name !== 'tenant_id');
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * What a tenant has at one moment, read as the tenant role in the tenant's scope, so that row-level security keeps
 * strangers out here, too.
 *
 * It takes no part in the fence's lock, or a move would wait for its end. It need not: its snapshot either sees that the
 * tenant is not served from here, or is of a time when it was.
 */
export class TenantSnapshot {
  private constructor(
    private readonly client: pg.PoolClient,
    /** The newest migration of the place. */
    readonly migration: string,
    readonly tables: string[],
    /** When it was taken or a little later, by the clock of the place, which all that it sees was written before. */
    readonly moment: Date,
  ) {}

  /**
   * @param head of this application
   * @throws TenantMoving, PlacementUnavailable
   */
  static async read<T>(
    source: TenantDataSource,
    tenant: Tenant,
    head: string,
    work: (snapshot: TenantSnapshot) => Promise<T>,
  ): Promise<T> {
    const client = await source.connections.acquire(tenant.placement, tenant.plan, shareOf(tenant));
    let failed: Error | undefined;
    try {
      const schema = schemaOf(tenant.placement);
      await client.query(OPEN);
      const { rows: taken } = await client.query<{ moment: Date }>(SCOPE, [tenant.id, schema]);
      if ((await client.query(CLOSED, [tenant.id, schema])).rows.length > 0) throw new TenantMoving(undefined);
      // Every process brings the primary's shared tables to its own head before it starts; their ledger is not to be read.
      const home = tenant.placement.kind === 'shared' && serverOf(tenant.placement) === DEFAULT_SERVER;
      const migration = home ? head : (await client.query<{ name: string }>(HEAD)).rows[0]!.name;
      const tables = await capturedTables(client, schema);
      return await work(new TenantSnapshot(client, migration, tables, taken[0]!.moment));
    } catch (error) {
      failed = error as Error;
      throw error;
    } finally {
      // What is left open of it goes with the connection.
      if (failed) client.release(failed);
      else await client.query('ROLLBACK').then(() => client.release());
    }
  }

  /** Nothing is read of it any more: it keeps no old version of a row from being cleaned up. */
  async end(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  columns(table: string): Promise<Column[]> {
    return columnsOf(this.client, table);
  }

  async count(table: string): Promise<number> {
    const sql = `SELECT count(*)::int AS rows FROM ${quoted(table)}`;
    return (await this.client.query<{ rows: number }>(sql)).rows[0]!.rows;
  }

  /** @yields each row as a JSON array of texts, some at a time, in the order of their ids */
  async *rows(table: string, columns: string[]): AsyncGenerator<string[]> {
    const texts = columns.map((name) => `${quoted(name)}::text`).join(', ');
    const declare = `DECLARE archived NO SCROLL CURSOR FOR
      SELECT json_build_array(${texts})::text AS line FROM ${quoted(table)} ORDER BY id`;
    await this.client.query(declare);
    for (;;) {
      const { rows } = await this.client.query<{ line: string }>(FETCH);
      if (rows.length > 0) yield rows.map(({ line }) => line);
      if (rows.length < PAGE) break;
    }
    await this.client.query('CLOSE archived');
  }
}
