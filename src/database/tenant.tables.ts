import type pg from 'pg';

/** What rows have become, of tenants whose history is kept. It goes wherever its tenant goes, and is in no archive. */
export const HISTORY = 'history';

/** Tables with rows of tenants that are no part of what a tenant has: the fence, and what is captured of changes. */
export const TABLES_OF_MOVES = ['changes', 'closures', HISTORY];

const TABLES = `SELECT c.relname AS name,
       ARRAY(SELECT f.relname::text FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
              WHERE k.conrelid = c.oid AND k.contype = 'f') AS refers
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
 WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relrowsecurity ORDER BY 1`;

/** Every table of tenants' rows in a schema, each before those it refers to: in this order rows can be deleted. */
export async function tablesOfTenants(client: pg.ClientBase, schema: string): Promise<string[]> {
  const { rows: tables } = await client.query<{ name: string; refers: string[] }>(TABLES, [schema]);
  const refersTo = new Map(tables.map(({ name, refers }) => [name, refers]));
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const [other, refers] of refersTo) if (other !== name && refers.includes(name)) visit(other);
    ordered.push(name);
  };
  for (const { name } of tables) visit(name);
  return ordered;
}

/** The tables of what a tenant has, each after those it refers to: in this order rows can be inserted. */
export async function capturedTables(client: pg.ClientBase, schema: string): Promise<string[]> {
  const tables = await tablesOfTenants(client, schema);
  return tables.filter((table) => !TABLES_OF_MOVES.includes(table)).reverse();
}
