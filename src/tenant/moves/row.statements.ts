import { LOWEST_ID } from '../../common/index.js';
import type { MovedTable } from './moved.tables.js';

/** Text that one chunk holds at most, in bytes; a longer row is a chunk of its own. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const CHUNK_ROWS = 2000;

/** A number that rows of the same content have in common, wherever they are; sums of it do not depend on their order. */
const HASH = `('x' || left(encode(sha256(convert_to(t::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint::numeric`;
const SUMS = `count(*)::float8 AS rows, coalesce(sum(${HASH}), 0)::text AS sum`;

/** Rows as one text, as arrays of the table's own type are written. */
export interface Chunk {
  rows: number;
  last: string | null;
  content: string | null;
  sum: string;
  /** Ids of the rows, as an array of uuid is written. */
  ids: string | null;
}

export interface Sums {
  rows: number;
  sum: string;
}

// Statistics say little of a tenant that has just come, or of changes that were not there a minute ago, and a plan that goes
// by them may look at all rows for each. So keys are sought in the order of an index that starts with the tenant, and what
// was found of others is left out afterwards.

/** Of rows `t` in a CTE `page`. `last` says how far the page is, where not all of its rows are in the chunk. */
const chunkOf = (page: string, last: string): string => `WITH ${page},
  sized AS (SELECT id, t, sum(octet_length(t::text)) OVER (ORDER BY id) - octet_length(t::text) AS before FROM page),
  chunk AS (SELECT * FROM sized WHERE before < ${CHUNK_BYTES})
  SELECT count(*)::float8 AS rows, array_agg(t ORDER BY id)::text AS content, array_agg(id ORDER BY id)::text AS ids,
         coalesce(sum(${HASH}), 0)::text AS sum,
         CASE WHEN count(*) < (SELECT count(*) FROM page) THEN (array_agg(id ORDER BY id DESC))[1] ELSE (${last}) END AS last
    FROM chunk`;

/** The rows of a table that have the ids of a set `k (id)`, of which `columns` are asked for. $1 tenant */
export const sought = (table: string, columns: string): string => `CROSS JOIN LATERAL (
  SELECT t.id, ${columns} FROM ${table} t WHERE (t.tenant_id, t.id) >= ($1::uuid, k.id) ORDER BY t.tenant_id, t.id LIMIT 1) t`;
export const FOUND = 't.tenant_id = $1::uuid AND t.id = k.id';

/** The next rows of a tenant. $1 tenant, $2 the key to start behind or null */
export function nextRows(table: string): string {
  return chunkOf(
    `page AS MATERIALIZED (SELECT id, t FROM (
      SELECT t.tenant_id, t.id, t FROM ${table} t
       WHERE (t.tenant_id, t.id) > ($1::uuid, coalesce($2::uuid, '${LOWEST_ID}')) ORDER BY t.tenant_id, t.id LIMIT ${CHUNK_ROWS}) t
      WHERE tenant_id = $1)`,
    'SELECT id FROM page ORDER BY id DESC LIMIT 1',
  );
}

/** Keys of a table that were changed, in their order. $1 tenant, $2 the key to start behind or null, $3 the table's name */
const CHANGED = (changes: string): string => `k AS MATERIALIZED (SELECT key AS id FROM (
  SELECT DISTINCT c.tenant_id, c.relation, c.key FROM ${changes} c
   WHERE c.purpose = 'move' AND (c.tenant_id, c.relation, c.key) > ($1::uuid, $3::text, coalesce($2::uuid, '${LOWEST_ID}'))
   ORDER BY c.tenant_id, c.relation, c.key LIMIT ${CHUNK_ROWS}) c
  WHERE tenant_id = $1 AND relation = $3)`;
const LAST_CHANGED = 'SELECT id FROM k ORDER BY id DESC LIMIT 1';

/** The next rows that were changed, as they are now; there are more while `last` is one. Parameters as of {@link CHANGED}. */
export function nextChanged(table: string, changes: string): string {
  return chunkOf(
    `${CHANGED(changes)},
    page AS MATERIALIZED (SELECT t.id, t.t FROM k ${sought(table, 't.tenant_id, t')} WHERE ${FOUND})`,
    LAST_CHANGED,
  );
}

/** The next keys that were changed and have no row any more; `last` as of {@link nextChanged}. Parameters as of {@link CHANGED}. */
export function nextGone(table: string, changes: string): string {
  return `WITH ${CHANGED(changes)},
    there AS MATERIALIZED (SELECT k.id FROM k ${sought(table, 't.tenant_id')} WHERE ${FOUND})
    SELECT count(*)::float8 AS rows, array_agg(k.id)::text AS ids, (${LAST_CHANGED}) AS last
      FROM k LEFT JOIN there USING (id) WHERE there.id IS NULL`;
}

/** $1 tenant, $2 up to how many to count */
export function countChanges(changes: string): string {
  return `SELECT count(*)::float8 AS n FROM (
    SELECT FROM ${changes} WHERE tenant_id = $1 AND purpose = 'move' LIMIT $2) waiting`;
}

/** $1 tenant */
export function forgetChanges(changes: string): string {
  return `DELETE FROM ${changes} WHERE tenant_id = $1 AND purpose = 'move'`;
}

/** Adds rows that are not there. $1 the content of a chunk */
export function addRows(table: string, { columns }: MovedTable): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${columns.join(', ')} FROM unnest($1::${table}[]) ON CONFLICT (tenant_id, id) DO NOTHING`;
}

/** Makes rows what they are in the chunk. $1 its content */
export function putRows(table: string, moved: MovedTable): string {
  if (!moved.changes) return addRows(table, moved);
  const columns = moved.columns.filter((column) => column !== '"tenant_id"' && column !== '"id"');
  const set = columns.map((column) => `${column} = EXCLUDED.${column}`);
  return addRows(table, moved).replace(/DO NOTHING$/, set.length > 0 ? `DO UPDATE SET ${set.join(', ')}` : '$&');
}

/** $1 tenant, $2 ids */
export function removeRows(table: string): string {
  return `DELETE FROM ${table} WHERE tenant_id = $1 AND id = ANY ($2::uuid[])`;
}

/** $1 tenant, $2 ids */
export function sumsOf(table: string): string {
  return `SELECT ${SUMS} FROM (SELECT t.t FROM unnest($2::uuid[]) k (id) ${sought(table, 't.tenant_id, t')} WHERE ${FOUND}) t`;
}

/** $1 tenant */
export function countRows(table: string): string {
  return `SELECT count(*)::float8 AS rows FROM ${table} WHERE tenant_id = $1`;
}

/** $1 tenant */
export function sumsOfAll(table: string): string {
  return `SELECT ${SUMS} FROM ${table} t WHERE t.tenant_id = $1`;
}
