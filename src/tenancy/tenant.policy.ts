import { createHash } from 'node:crypto';
import type { QueryRunner } from 'typeorm';
import { captureNewTable, LOGIN_OF_PLACE } from '../database/index.js';

/**
 * The one predicate of every tenant-owned table. Wrapped in a select so that it is evaluated once per statement; the
 * column is left bare so that its index serves.
 */
export const TENANT_PREDICATE = `tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid)`;

/** Named by the hash of its text: another text is another name, so drift shows. */
export const TENANT_POLICY = `tenant_${hash(TENANT_PREDICATE)}`;
export const MAINTENANCE_POLICY = `maintenance_${hash('true')}`;

/** What roles may do with a table, where that is not everything. */
export interface IsolationOptions {
  /** What a tenant has written, it cannot change or remove; only retention, as the maintenance role, removes. */
  appendOnly?: boolean;
  /** What the tenant role may do, in SQL, where that is neither everything nor what `appendOnly` leaves. */
  rights?: string;
}

const EVERYTHING = 'SELECT, INSERT, UPDATE, DELETE';

/** The statements that put a table under row-level security, its owner included. */
export function isolationSql(
  table: string,
  roles: { tenant: string; maintenance: string },
  { appendOnly = false, rights = appendOnly ? 'SELECT, INSERT' : EVERYTHING }: IsolationOptions = {},
): string[] {
  return [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
    `CREATE POLICY ${TENANT_POLICY} ON ${table} USING (${TENANT_PREDICATE}) WITH CHECK (${TENANT_PREDICATE})`,
    `CREATE POLICY ${MAINTENANCE_POLICY} ON ${table} TO ${roles.maintenance} USING (true) WITH CHECK (true)`,
    `GRANT ${rights} ON ${table} TO ${roles.tenant}`,
    `GRANT ${appendOnly ? 'SELECT, DELETE' : EVERYTHING} ON ${table} TO ${roles.maintenance}`,
  ];
}

const ROLES = `SELECT current_user AS name, current_schema() AS schema, ${LOGIN_OF_PLACE} AS login`;

/**
 * For migrations: isolates a table just created, and has it captured where the history of tenants is kept. Roles follow from the migrator's own name, which carries the
 * installation, and from the login role of the place that is migrated, if it has one.
 */
export async function isolateTable(runner: QueryRunner, table: string, options?: IsolationOptions): Promise<void> {
  const rows = (await runner.query(ROLES)) as {
    name: string;
    schema: string;
    login: string | null;
  }[];
  const { name = '', schema = '', login } = rows[0] ?? {};
  const prefix = name.replace(/migrator$/, '');
  const roles = { tenant: `"${login ?? `${prefix}tenant`}"`, maintenance: `"${prefix}maintenance"` };
  for (const statement of isolationSql(table, roles, options)) await runner.query(statement);
  const query = async (sql: string, values?: unknown[]) => ({ rows: (await runner.query(sql, values)) as unknown[] });
  await captureNewTable({ query } as never, schema, table);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
