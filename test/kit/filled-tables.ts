import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { newId, seal } from '../../src/common/index.js';
import { capturedTables } from '../../src/database/index.js';
import type { TestApp } from './test-app.js';
import { withDatabase } from './test-env.js';

interface CatalogColumn {
  name: string;
  type: string;
  /** Texts that a CHECK of the column names. */
  allowed: string[] | null;
  refers: string | null;
}

const COLUMNS = `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
  (SELECT ARRAY(SELECT m[1] FROM regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''', 'g') m) FROM pg_constraint k
    WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS allowed,
  (SELECT f.relname FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
    WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) LIMIT 1) AS refers
  FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

const EDGY = ['', ' ', 'ü–𝄞"\\', "'; DROP TABLE users; --", 'line\nfeed\ttab\r', '{}', '\\x00', 'null', '\\N'];

/** A client on the place of a tenant, as the superuser, with its tables found by name. */
export async function atPlace<T>(t: TestApp, slug: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { placement } = await t.tenant(slug);
  const url =
    placement.kind === 'database' ? withDatabase(t.database.adminUrl, placement.database) : t.database.adminUrl;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const schema = placement.kind === 'schema' ? placement.schema : 'shared';
    await client.query(`SELECT set_config('search_path', $1, false), set_config('TimeZone', 'UTC', false)`, [schema]);
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Puts rows into every table of a tenant, with something in every column, by what the catalogue says: a table or column
 * that is added later is filled without anybody thinking of it.
 */
export async function fillTables(t: TestApp, slug: string, count = 3): Promise<string[]> {
  const { id: tenantId, placement } = await t.tenant(slug);
  return atPlace(t, slug, async (client) => {
    const tables = await capturedTables(client, placement.kind === 'schema' ? placement.schema : 'shared');
    const ids = new Map<string, string[]>();
    for (const table of tables) {
      const { rows: columns } = await client.query<CatalogColumn>(COLUMNS, [table]);
      for (let index = 0; index < count; index += 1) {
        const id = newId();
        ids.set(table, [...(ids.get(table) ?? []), id]);
        const values = columns.map((column) => {
          if (column.name === 'tenant_id') return tenantId;
          if (column.name === 'id') return id;
          if (column.refers) return ids.get(column.refers)![index % count];
          if (column.allowed?.length) return column.allowed[index % column.allowed.length];
          if (table === 'users' && column.name === 'mfa_secret') {
            return seal(t.database.prepared.keys.derive('mfa'), `SECRET${index}`, `${tenantId}:${id}`);
          }
          if (column.name === 'actor_id') return ids.get('users')?.[0] ?? id;
          return some(column, index, ids.get('users')?.[0] ?? id);
        });
        const names = columns.map(({ name }) => pg.escapeIdentifier(name)).join(', ');
        const places = columns.map(({ type }, at) => `$${at + 1}::${type}`).join(', ');
        await client.query(`INSERT INTO ${table} (${names}) VALUES (${places})`, values);
      }
    }
    return tables;
  });
}

function some({ name, type }: CatalogColumn, index: number, userId: string): unknown {
  switch (type) {
    case 'uuid':
      return userId;
    case 'text':
      return `${name} ${index} ${EDGY[index % EDGY.length]} ${randomBytes(3).toString('hex')}`;
    case 'bytea':
      return randomBytes(32);
    case 'bigint':
    case 'integer':
      return index + 7;
    case 'boolean':
      return index % 2 === 0;
    case 'character(3)':
      return ['EUR', 'USD', 'CHF'][index % 3];
    case 'date':
      return `2031-02-0${index + 1}`;
    case 'timestamp with time zone':
      return `2031-02-03 04:05:06.${String(123456 + index)}+05:30`;
    case 'text[]':
      return ['a "quoted" one', 'comma, and }', '', `${index}`];
    case 'jsonb':
      return JSON.stringify({ user: userId, big: 1, list: [userId, 'ü', null], [userId]: { deep: `about ${userId}` } });
    default:
      throw new Error(`No value for a column of type ${type}: say which in test/kit/filled-tables.ts`);
  }
}

/** All rows of a tenant as texts, by table and id. */
export function rowsOf(t: TestApp, slug: string): Promise<Record<string, Record<string, string | null>[]>> {
  return atPlace(t, slug, async (client) => {
    const { id: tenantId, placement } = await t.tenant(slug);
    const tables = await capturedTables(client, placement.kind === 'schema' ? placement.schema : 'shared');
    const found: Record<string, Record<string, string | null>[]> = {};
    for (const table of tables) {
      const { rows: columns } = await client.query<CatalogColumn>(COLUMNS, [table]);
      const texts = columns.map(({ name }) => `${pg.escapeIdentifier(name)}::text`).join(', ');
      const sql = `SELECT ${texts} FROM ${table} WHERE tenant_id = $1 ORDER BY id`;
      found[table] = (await client.query<Record<string, string | null>>(sql, [tenantId])).rows;
    }
    return found;
  });
}
