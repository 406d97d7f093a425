import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import pg from 'pg';
import { KeyRing } from '../common/index.js';
import { DatabaseSetupError } from './database.errors.js';
import { makeLogin } from './place.statements.js';
import { addressOf, checkVersion } from './prepare.js';
import { ensureRoles, rolesOf } from './roles.js';
import { type MasterKeys, openRoot, readNote, type RootCopy } from './root-key.js';
import { withConnection } from './with-connection.js';

const INSTALLATION = /^COMMENT ON SCHEMA platform IS 'tenantry installation (\w+)';$/;
const ROOT = /^COMMENT ON TABLE platform\.installation IS '([^']+)';$/;
const SCHEMA = /^CREATE SCHEMA (t_[0-9a-f]{16});$/;
const COPY = /^COPY (\S+) \(([^)]+)\) FROM stdin;$/;

/** What a dump of the control plane says of the roles that it needs. */
export interface DumpedRoles {
  installation: string;
  /** The root key, for each master key that opens it; none when it was set up before there were root keys. */
  copies: RootCopy[];
  /** Of the root key. */
  fingerprint: string;
  /** Schemas of tenants. Those that have login roles name them. */
  logins: { schema: string; login: string }[];
}

/**
 * @param sql a dump as SQL, with its rows
 * @throws DatabaseSetupError when it is of no control plane, or only of its tables
 */
export async function rolesInDump(sql: Readable): Promise<DumpedRoles> {
  let installation: string | undefined;
  let fingerprint: string | undefined;
  let copies: RootCopy[] | undefined;
  let copied: { table: string; columns: string[] } | undefined;
  const schemas = new Set<string>();
  const words = new Set<string>();
  for await (const line of createInterface({ input: sql, crlfDelay: Infinity })) {
    if (copied) {
      if (line === '\\.') copied = undefined;
      else if (copied.table === 'platform.installation') {
        fingerprint = line.split('\t')[copied.columns.indexOf('key_fingerprint')];
      }
      continue;
    }
    const [, table, columns] = COPY.exec(line) ?? [];
    if (table !== undefined) copied = { table, columns: columns!.split(', ') };
    installation ??= INSTALLATION.exec(line)?.[1];
    copies ??= readNote(ROOT.exec(line)?.[1] ?? '');
    const [, schema] = SCHEMA.exec(line) ?? [];
    if (schema !== undefined) schemas.add(schema);
    for (const [word] of line.matchAll(/\b\w+_t_[0-9a-f]{16}\b/g)) words.add(word);
  }
  if (installation === undefined || fingerprint === undefined) {
    throw new DatabaseSetupError(
      'This is not the dump of a control plane, or it is without its rows.',
      'Give all of it, as SQL: pg_restore -f - control.dump.',
    );
  }
  const logins = [...schemas].map((schema) => ({ schema, login: `${installation}_${schema}` }));
  return { installation, copies: copies ?? [], fingerprint, logins: logins.filter(({ login }) => words.has(login)) };
}

/**
 * Makes the roles that a dump of the control plane needs before it can be restored: their passwords come from the root key in it.
 * Roles that are there stay as they are.
 *
 * @param url of the new and empty database, as a user who may make roles
 * @returns names of the roles
 * @throws DatabaseSetupError for another MASTER_KEY, before anything is changed, and when roles cannot be made
 */
export async function makeDumpedRoles(url: string, masters: MasterKeys, dump: DumpedRoles): Promise<string[]> {
  const { installation, copies } = dump;
  const keys = copies.length > 0 ? openRoot(installation, copies, masters) : new KeyRing(masters.current);
  if (keys.fingerprint() !== dump.fingerprint) {
    throw new DatabaseSetupError(
      'MASTER_KEY is not the one that the installation in this dump was set up with.',
      'Take the MASTER_KEY that was kept with the dump; nothing was changed.',
    );
  }
  const roles = rolesOf(dump.installation, keys);
  const address = addressOf({ url, directUrl: url, roles, keys });
  await withConnection(url, async (client) => {
    await checkVersion(client);
    await ensureRoles(client, roles);
  });
  for (const { login, schema } of dump.logins) await makeLogin({ address, roles, keys }, login, schema, true);
  return withConnection(url, async (client: pg.Client) => {
    const sql = 'SELECT rolname AS name FROM pg_roles WHERE left(rolname, length($1)) = $1 ORDER BY 1';
    return (await client.query<{ name: string }>(sql, [`${dump.installation}_`])).rows.map(({ name }) => name);
  });
}
