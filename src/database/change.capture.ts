import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { capturedTables, HISTORY, TABLES_OF_MOVES } from './tenant.tables.js';

/** `move` keeps which rows have changed, `history` what they have become. */
export type CapturePurpose = 'move' | 'history';

export interface Capture {
  schema: string;
  tenantId: string;
  purpose: CapturePurpose;
  /** Tables of which nothing is captured. */
  except?: readonly string[];
}

/**
 * Before that, a vacuum that nobody asked for is made to give way, which takes a second: it would hold the table for hours.
 * Nobody else is kept waiting meanwhile. One that prevents wraparound does not give way.
 */
const VACUUM_MS = 3000;
/** A trigger waits at most this long for those that write to its table, in ms: others wait behind it meanwhile. */
const LOCK_MS = 150;
const ATTEMPTS = 60;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Switches on the capture of what changes for one tenant. What was written before a table's trigger was there has been
 * committed when this returns. May be repeated.
 *
 * @param client as the migrator, on a direct connection, outside a transaction
 * @throws when a table was busy for too long; some tables may have their triggers then
 */
export async function startCapture(client: pg.ClientBase, capture: Capture): Promise<void> {
  for (const table of await tablesOf(client, capture)) {
    if (capture.except?.includes(table)) continue;
    // Where they are, nothing is locked: a worker that died in the middle may still hold the table.
    if ((await countTriggers(client, capture, table)) === 2) continue;
    await patiently(client, nameIn(capture.schema, table), await startOf(client, capture, table));
  }
}

/** Switches it off again; what was captured stays. May be repeated. */
export async function stopCapture(client: pg.ClientBase, capture: Capture): Promise<void> {
  const { write, remove } = triggersOf(capture);
  for (const table of await tablesOf(client, capture)) {
    if ((await countTriggers(client, capture, table)) === 0) continue;
    const name = nameIn(capture.schema, table);
    const on = `ON ${name}`;
    await patiently(client, name, [`DROP TRIGGER IF EXISTS ${write} ${on}`, `DROP TRIGGER IF EXISTS ${remove} ${on}`]);
  }
}

/**
 * Whether it is on.
 *
 * @param client any role's
 * @returns `some` when it was begun or ended and not brought to its end
 */
export async function captureOf(client: pg.ClientBase, capture: Capture): Promise<'all' | 'some' | 'none'> {
  const tables = (await tablesOf(client, capture)).filter((table) => !capture.except?.includes(table));
  let there = 0;
  for (const table of tables) there += await countTriggers(client, capture, table);
  if (there === 0) return 'none';
  return there === 2 * tables.length ? 'all' : 'some';
}

/** Of tenants whose history is kept in a schema. */
const KEPT = `SELECT DISTINCT regexp_replace(t.tgname, '^capture_history_(.*)_w$', '\\1')::uuid AS id
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = to_regnamespace($1) AND t.tgname ~ '^capture_history_[0-9a-f]{32}_w$'`;

/**
 * For migrations: has a table that was just made captured for every tenant whose history is kept there, before anybody can
 * write to it.
 */
export async function captureNewTable(client: Pick<pg.ClientBase, 'query'>, schema: string, table: string) {
  if (TABLES_OF_MOVES.includes(table)) return;
  const { rows } = await client.query<{ id: string }>(KEPT, [pg.escapeIdentifier(schema)]);
  for (const { id: tenantId } of rows) {
    const capture: Capture = { schema, tenantId, purpose: 'history' };
    for (const statement of await startOf(client, capture, table)) await client.query(statement);
  }
}

async function startOf(client: Pick<pg.ClientBase, 'query'>, capture: Capture, table: string): Promise<string[]> {
  const { write, remove } = triggersOf(capture);
  const on = `ON ${nameIn(capture.schema, table)} FOR EACH ROW`;
  const run = `EXECUTE FUNCTION ${nameIn(capture.schema, 'capture_change')}(${await argumentsOf(client, capture, table)})`;
  const id = pg.escapeLiteral(capture.tenantId);
  return [
    `CREATE OR REPLACE TRIGGER ${write} AFTER INSERT OR UPDATE ${on} WHEN (NEW.tenant_id = ${id}) ${run}`,
    `CREATE OR REPLACE TRIGGER ${remove} AFTER DELETE ${on} WHEN (OLD.tenant_id = ${id}) ${run}`,
  ];
}

/** A move takes along what is kept of the past. */
async function tablesOf(client: pg.ClientBase, { schema, purpose }: Capture): Promise<string[]> {
  const tables = await capturedTables(client, schema);
  return purpose === 'move' ? [...tables, HISTORY] : tables;
}

/** In JSON, SQL's null and that of a document are the same: columns that may have either are named to the trigger. */
const DOCUMENTS = `SELECT attname AS name FROM pg_attribute
  WHERE attrelid = to_regclass($1) AND atttypid = 'jsonb'::regtype AND attnum > 0 AND NOT attisdropped AND NOT attnotnull
  ORDER BY attnum`;

async function argumentsOf(
  client: Pick<pg.ClientBase, 'query'>,
  { schema, purpose }: Capture,
  table: string,
): Promise<string> {
  if (purpose === 'move') return pg.escapeLiteral(purpose);
  const { rows } = await client.query<{ name: string }>(DOCUMENTS, [nameIn(schema, table)]);
  return [purpose, ...rows.map(({ name }) => name)].map((text) => pg.escapeLiteral(text)).join(', ');
}

const THERE = `SELECT count(*)::int AS n FROM pg_trigger WHERE tgrelid = to_regclass($1) AND left(tgname, -2) = $2`;

async function countTriggers(client: pg.ClientBase, capture: Capture, table: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(THERE, [nameIn(capture.schema, table), stemOf(capture)]);
  return rows[0]?.n ?? 0;
}

function triggersOf(capture: Capture): { write: string; remove: string } {
  const stem = stemOf(capture);
  return { write: pg.escapeIdentifier(`${stem}_w`), remove: pg.escapeIdentifier(`${stem}_d`) };
}

/** After the triggers of foreign keys, which are called RI_…: they fire in the order of their names. */
function stemOf({ purpose, tenantId }: Capture): string {
  return `capture_${purpose}_${tenantId.replaceAll('-', '')}`;
}

function nameIn(schema: string, name: string): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
}

/** In one transaction that gives way to those that use the table, as often as it takes. */
async function patiently(client: pg.ClientBase, table: string, statements: string[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query(
        [
          'BEGIN',
          `SET LOCAL lock_timeout = ${VACUUM_MS}`,
          `LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`,
          `SET LOCAL lock_timeout = ${LOCK_MS}`,
          ...statements,
          'COMMIT',
        ].join(';'),
      );
      return;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      if ((error as pg.DatabaseError).code !== LOCK_NOT_AVAILABLE || attempt === ATTEMPTS) throw error;
      await sleep(20 + Math.random() * 10 * attempt);
    }
  }
}
