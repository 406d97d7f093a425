import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { withConnection } from '../../database/index.js';

/** Tables of tenants and of the control plane; of the migrations' ledgers only names are known. */
const TABLES = `SELECT n.nspname AS schema, c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND c.relname <> 'migrations' AND (n.nspname = ANY ($1)) = $2 ORDER BY 1, 2`;
/** What only the platform role reads. */
const CONTROL_PLANE = ['platform', 'jobs'];
const TRIGGERS = 'SELECT count(*)::int AS n FROM pg_trigger WHERE tgname LIKE $1';

/** The rows of a table that have something of the tenant in any column, whatever its type. */
export interface ScannedTable {
  /** Database, schema and name. */
  table: string;
  rows: number;
  found: number;
  /** False where the scan may not look, or could not; nothing is proven then. */
  readable: boolean;
}

/**
 * How an id may be written: as a UUID, as its bytes, or as text inside bytes, which PostgreSQL prints in hexadecimal.
 *
 * @param id in lower case
 */
export function writtenForms(id: string): string[] {
  return [id, id.replaceAll('-', ''), Buffer.from(id, 'latin1').toString('hex')];
}

/**
 * Looks through every column of every row of a database.
 *
 * @param url of the role that looks
 * @param controlPlane whether the tables of the control plane are meant, or all others
 */
export async function scanDatabase(url: string, id: string, controlPlane: boolean): Promise<ScannedTable[]> {
  return withConnection(url, async (client) => {
    const database = client.database ?? '';
    // Reading a large table takes as long as it takes.
    await client.query('SET statement_timeout = 0');
    const { rows: tables } = await client.query<{ schema: string; name: string; readable: boolean }>(TABLES, [
      CONTROL_PLANE,
      controlPlane,
    ]);
    const scanned: ScannedTable[] = [];
    for (const { schema, name, readable } of tables) {
      const table = `${database}.${schema}.${name}`;
      if (!readable) scanned.push({ table, rows: 0, found: 0, readable });
      else scanned.push({ table, ...(await scanTable(client, schema, name, id)) });
    }
    if (!controlPlane) {
      const { rows } = await client.query<{ n: number }>(TRIGGERS, [`%${id.replaceAll('-', '')}%`]);
      scanned.push({ table: `${database} triggers`, rows: 0, found: rows[0]!.n, readable: true });
    }
    return scanned;
  });
}

/** One that cannot be read says nothing of the others; a connection that is lost does. */
async function scanTable(client: pg.Client, schema: string, name: string, id: string) {
  const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
  const sql = `SELECT count(*)::int AS rows, count(*) FILTER (WHERE r::text ~* $1)::int AS found FROM ${table} r`;
  try {
    const { rows } = await client.query<{ rows: number; found: number }>(sql, [writtenForms(id).join('|')]);
    return { ...rows[0]!, readable: true };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')) throw error;
    return { rows: 0, found: 0, readable: false };
  }
}

/**
 * Looks through every file below a folder.
 *
 * @param without folders that are left out: the database server's own files, which are looked at as tables, and what is
 *   named by tenant
 * @param closed a folder at its top whose files are compressed or encrypted, so that nothing is seen in them
 * @returns how many there are, the paths of those with something of the tenant in them, and of those that tell nothing
 */
export async function scanFiles(
  folder: string,
  id: string,
  without: (string | undefined)[],
  closed: string,
): Promise<{ files: number; found: string[]; unread: string[] }> {
  const found: string[] = [];
  const unread: string[] = [];
  let files = 0;
  const entries = await readdir(folder, { withFileTypes: true, recursive: false }).catch(() => []);
  const visit = async (
    at: string,
    entry: { name: string; isFile(): boolean; isDirectory(): boolean },
  ): Promise<void> => {
    const full = path.join(at, entry.name);
    if (without.includes(full)) return;
    if (entry.isDirectory()) {
      for (const inner of await readdir(full, { withFileTypes: true })) await visit(full, inner);
    } else if (entry.isFile()) {
      files += 1;
      if (full.startsWith(path.join(folder, closed, path.sep))) unread.push(full);
      else if (entry.name.includes(id) || (await holds(full, id))) found.push(full);
    }
  };
  for (const entry of entries) await visit(folder, entry);
  return { files, found, unread };
}

async function holds(file: string, id: string): Promise<boolean> {
  const forms = writtenForms(id);
  const longest = Math.max(...forms.map((form) => form.length));
  let tail = '';
  try {
    for await (const chunk of createReadStream(file, { encoding: 'latin1' })) {
      const text = tail + (chunk as string).toLowerCase();
      if (forms.some((form) => text.includes(form))) return true;
      tail = text.slice(1 - longest);
    }
  } catch (error) {
    // Gone since it was listed.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return false;
}
