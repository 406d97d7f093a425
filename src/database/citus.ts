import type pg from 'pg';
import { tablesOfTenants } from './tenant.tables.js';

/** Where Citus has put its functions and its catalogue; no row without it. */
const CITUS = `SELECT n.nspname AS schema FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.proname = 'create_distributed_table' AND n.nspname IN ('pg_catalog', 'citus') ORDER BY 1 LIMIT 1`;
const LOOK_UPS = `SELECT c.relname AS name FROM pg_class c
  WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migrations'
    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') ORDER BY 1`;
/** A setting made by a function stays on the coordinator; one made by SET LOCAL goes along to the workers. */
const SET_EVERYWHERE = `CREATE OR REPLACE FUNCTION shared.set_everywhere(tenant text) RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM set_config('citus.propagate_set_commands', 'local', true);
    EXECUTE format('SET LOCAL app.tenant_id = %L', tenant);
    RETURN tenant;
  END $$`;
const ENTER = `SELECT pg_get_functiondef('shared.enter(text, text)'::regprocedure) AS text`;
const SETTING = `set_config('app.tenant_id', tenant, true)`;
const SETTING_EVERYWHERE = `shared.set_everywhere(tenant)`;

/**
 * Where the database is a Citus coordinator: distributes the shared tables of tenants by `tenant_id`, all of them together,
 * copies the look-ups beside them to every worker, and has the tenant's setting go along. What is done already stays.
 * Elsewhere it does nothing.
 *
 * @param client of the migrator, after the migrations
 * @returns the tables that were distributed or copied now
 */
export async function distribute(client: pg.ClientBase): Promise<string[]> {
  const { rows: found } = await client.query<{ schema: string }>(CITUS);
  const schema = found[0]?.schema;
  if (schema === undefined) return [];
  const done: string[] = [];
  // A foreign key leads from a distributed table to one that is distributed already, or to a look-up.
  for (const { name } of (await client.query<{ name: string }>(LOOK_UPS)).rows) {
    if (await isKnown(client, schema, name)) continue;
    const sql = `SELECT ${schema}.create_reference_table($1::regclass)`;
    await client.query(sql, [`shared.${name}`]);
    done.push(name);
  }
  const tables = (await tablesOfTenants(client, 'shared')).reverse();
  for (const name of tables) {
    if (await isKnown(client, schema, name)) continue;
    const sql = `SELECT ${schema}.create_distributed_table($1::regclass, 'tenant_id', colocate_with => $2)`;
    await client.query(sql, [`shared.${name}`, await companion(client, schema, tables)]);
    done.push(name);
  }
  await takeSettingAlong(client);
  return done;
}

async function isKnown(client: pg.ClientBase, schema: string, table: string): Promise<boolean> {
  const sql = `SELECT 1 FROM ${schema}.pg_dist_partition WHERE logicalrelid = $1::regclass`;
  return (await client.query(sql, [`shared.${table}`])).rows.length > 0;
}

/** One that is distributed: rows of one tenant lie together, whichever table they are in. */
async function companion(client: pg.ClientBase, schema: string, tables: string[]): Promise<string> {
  for (const table of tables) if (await isKnown(client, schema, table)) return `shared.${table}`;
  return 'none';
}

async function takeSettingAlong(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ text: string }>(ENTER);
  const text = rows[0]?.text ?? '';
  if (text.includes(SETTING_EVERYWHERE)) return;
  if (!text.includes(SETTING))
    throw new Error('shared.enter no longer sets the tenant as src/database/citus.ts expects.');
  await client.query(SET_EVERYWHERE);
  await client.query(text.replace(SETTING, SETTING_EVERYWHERE));
}
