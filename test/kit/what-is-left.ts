import type { TestDatabase } from './test-database.js';

/**
 * How many rows any table of any schema has of a tenant, by table, where there are some. Slug and log outlive the tenant, and
 * so do the words of its tombstone and the word that it is not served any more.
 */
export async function whatIsLeft(database: TestDatabase, tenantId: string): Promise<Record<string, number>> {
  const tables = await database.admin<{ name: string; key: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, a.attname AS key
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE (n.nspname IN ('shared', 'platform') AND a.attname = 'tenant_id' OR n.nspname = 'jobs' AND a.attname = 'group_id')
        AND c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname
            NOT IN ('platform.audit_events', 'platform.slugs', 'platform.tenant_words', 'shared.closures')`,
  );
  const left: Record<string, number> = {};
  for (const { name, key } of tables) {
    const [row] = await database.admin<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM ${name} WHERE ${key}::text = $1`,
      [tenantId],
    );
    if (row?.rows) left[name] = row.rows;
  }
  return left;
}
