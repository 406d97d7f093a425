import { LOWEST_ID } from '../../common/index.js';
import { FOUND, sought } from '../moves/row.statements.js';

/** Rows of each side that are held at once. */
export const PAGE_ROWS = 2000;

/** A row as it is compared. */
export interface DigestedRow {
  id: string;
  /** Of all columns but those that are sealed. */
  digest: string;
  /** As they are, by position; the same value is never sealed alike. */
  sealed: (string | null)[];
}

const digest = (value: string): string => `encode(sha256(convert_to(${value}, 'UTF8')), 'hex')`;
const row = (columns: string[]): string => `ROW(${columns.map((column) => `t.${column}`).join(', ')})::text`;
const texts = (columns: string[]): string =>
  columns.length === 0 ? `'[]'::json` : `json_build_array(${columns.map((column) => `t.${column}::text`).join(', ')})`;

/**
 * The next rows of a tenant, in the order of their ids. $1 tenant, $2 the key to start behind or null
 *
 * @param plain and `sealed` columns, quoted
 */
export function nextDigests(table: string, plain: string[], sealed: string[]): string {
  // Keys are sought in an index that starts with the tenant; see what row.statements says of statistics.
  return `SELECT id, digest, sealed FROM (
    SELECT t.tenant_id, t.id, ${digest(row(plain))} AS digest, ${texts(sealed)} AS sealed FROM ${table} t
     WHERE (t.tenant_id, t.id) > ($1::uuid, coalesce($2::uuid, '${LOWEST_ID}'))
     ORDER BY t.tenant_id, t.id LIMIT ${PAGE_ROWS}) t WHERE tenant_id = $1 ORDER BY id`;
}

/** A digest of each column of some rows. $1 tenant, $2 ids @param columns quoted */
export function digestsOfColumns(table: string, columns: string[]): string {
  const each = columns.map((column) => digest(`t.${column}::text`)).join(', ');
  return `SELECT t.id, t.digests FROM unnest($2::uuid[]) k (id)
    ${sought(table, `t.tenant_id, ARRAY[${each}]::text[] AS digests`)} WHERE ${FOUND}`;
}

/** $1 tenant */
export function idsOf(table: string): string {
  return `SELECT coalesce(array_agg(id), '{}')::text AS ids FROM ${table} WHERE tenant_id = $1`;
}

/** $1 tenant, $2 the ids that may stay */
export function removeOthers(table: string): string {
  return `DELETE FROM ${table} WHERE tenant_id = $1 AND id <> ALL ($2::uuid[])`;
}
