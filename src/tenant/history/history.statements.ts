import pg from 'pg';
import { HISTORY } from '../../database/index.js';
import { type Placement, schemaOf } from '../../tenancy/index.js';

/** Rows that one statement deletes at most, so that no lock is held for long. */
const BATCH = 5000;
/** Rows of a page of keys. */
export const PAGE = 1000;

export function nameIn(schema: string, table: string): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}

/** $1 tenant */
export function countHistory(placement: Placement): string {
  return `SELECT count(*)::float8 AS rows, coalesce(sum(pg_column_size(h.*)), 0)::float8 AS bytes
    FROM ${nameIn(schemaOf(placement), HISTORY)} h WHERE tenant_id = $1`;
}

/**
 * Deletes what was captured before a time, some at a time.
 *
 * @param client the maintenance role's
 * @param before null for all of it
 */
export async function deleteHistory(
  client: pg.ClientBase,
  placement: Placement,
  tenantId: string,
  before: Date | null,
  signal?: AbortSignal,
): Promise<void> {
  const history = nameIn(schemaOf(placement), HISTORY);
  const sql = `DELETE FROM ${history} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${history}
    WHERE tenant_id = $1 AND at < coalesce($2::timestamptz, 'infinity') LIMIT ${BATCH}))`;
  for (let removed = BATCH; removed === BATCH && !signal?.aborted;) {
    removed = (await client.query(sql, [tenantId, before])).rowCount ?? 0;
  }
}

/** Transactions that were open at a moment and wrote after it: nothing of them belongs to it. $1 tenant, $2 moment */
export function openAcross(schema: string): string {
  return `SELECT DISTINCT began::text AS began, pid FROM ${nameIn(schema, HISTORY)}
    WHERE tenant_id = $1 AND at > $2 AND began <= $2`;
}

/**
 * Of each row of a table that changed, what the last transaction before a moment has left: the entry, and its size in bytes,
 * or null where the row went. $1 tenant, $2 moment, $3 table, $4 and $5 transactions that do not count
 */
export function lastOfEach(schema: string): string {
  const history = nameIn(schema, HISTORY);
  return `DECLARE replayed NO SCROLL CURSOR FOR
    SELECT last.key, h.id, octet_length(h.row::text) AS bytes FROM (
      SELECT DISTINCT ON (key) key, id FROM ${history} c WHERE tenant_id = $1 AND at <= $2 AND relation = $3
         AND NOT EXISTS (SELECT FROM unnest($4::timestamptz[], $5::int[]) late (began, pid)
                          WHERE late.began = c.began AND late.pid = c.pid)
       ORDER BY key, seq DESC) last
    JOIN ${history} h ON h.tenant_id = $1 AND h.id = last.id`;
}

export const NEXT_OF_EACH = `FETCH ${PAGE} FROM replayed`;

/** $1 tenant, $2 ids of entries */
export function entries(schema: string): string {
  return `SELECT jsonb_agg(jsonb_build_object('row', row, 'nulls', coalesce(to_jsonb(json_nulls), '[]')))::text AS content
    FROM ${nameIn(schema, HISTORY)} WHERE tenant_id = $1 AND id = ANY ($2::uuid[])`;
}

export interface ReplayedColumn {
  name: string;
  type: string;
  required: boolean;
  /** SQL */
  default: string | null;
  identity: boolean;
  /** Whether rows of the table ever change. */
  changes: boolean;
}

/** $1 table */
export const REPLAYED_COLUMNS = `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
    pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity <> '' AS identity, has_table_privilege(a.attrelid, 'UPDATE') AS changes
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`;

/**
 * Makes rows what they were by their entries. What an entry knows nothing of, since the column came later, gets its default.
 * $1 entries
 */
export function replay(table: string, columns: ReplayedColumn[]): string {
  const names = columns.map(({ name }) => pg.escapeIdentifier(name));
  const values = columns.map((column) => valueOf(column));
  const set = columns
    .filter(({ name, identity }) => !identity && name !== 'id' && name !== 'tenant_id')
    .map(({ name }) => `${pg.escapeIdentifier(name)} = EXCLUDED.${pg.escapeIdentifier(name)}`);
  const there = columns[0]!.changes && set.length > 0 ? `DO UPDATE SET ${set.join(', ')}` : 'DO NOTHING';
  return `INSERT INTO ${table} (${names.join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(', ')} FROM jsonb_array_elements($1::jsonb) e, jsonb_populate_record(NULL::${table}, e -> 'row') r
    ON CONFLICT (tenant_id, id) ${there}`;
}

/** In an entry, the null of a document and SQL's are the same; those of columns that may have either are listed beside it. */
function valueOf({ name, type, required, default: otherwise }: ReplayedColumn): string {
  const [column, key] = [`r.${pg.escapeIdentifier(name)}`, pg.escapeLiteral(name)];
  const isNull = `'null'::${type}`;
  const known =
    type !== 'jsonb' ? column : required ? `coalesce(${column}, ${isNull})` : documentOf(column, key, isNull);
  return `CASE WHEN e -> 'row' ? ${key} THEN ${known} ELSE ${otherwise ?? 'NULL'} END`;
}

function documentOf(column: string, key: string, isNull: string): string {
  return `CASE WHEN e -> 'nulls' ? ${key} THEN ${isNull} ELSE ${column} END`;
}

/** $1 tenant, $2 ids */
export function removeKeys(table: string): string {
  return `DELETE FROM ${table} WHERE tenant_id = $1 AND id = ANY ($2::uuid[])`;
}
