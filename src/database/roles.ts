import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import type { KeyRing } from '../common/index.js';
import { DatabaseSetupError } from './database.errors.js';

export const ROLE_KINDS = ['migrator', 'platform', 'tenant', 'maintenance'] as const;
export type RoleKind = (typeof ROLE_KINDS)[number];

/** The roles of one installation. Roles belong to the whole server, so their names carry the installation. */
export interface Roles {
  installation: string;
  name(kind: RoleKind): string;
  /** Derived from MASTER_KEY, so that every process knows it and nothing stores it. */
  password(kind: RoleKind): string;
}

export function rolesOf(installation: string, keys: KeyRing): Roles {
  return {
    installation,
    name: (kind) => `${installation}_${kind}`,
    password: (kind) => keys.derive(`role:${installation}:${kind}`).toString('base64url'),
  };
}

/**
 * The installation of a database: what its schema says, else derived from its name.
 *
 * A cloned database keeps the installation, and with it the roles that its policies and grants name.
 */
export async function installationOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string | null; database: string }>(
    `SELECT (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'platform') AS name,
            current_database() AS database`,
  );
  const row = rows[0];
  const recorded = row?.name?.match(/^tenantry installation (\w+)$/)?.[1];
  if (recorded) return recorded;
  const database = row?.database ?? '';
  const readable = database.toLowerCase().replaceAll(/\W/g, '_').slice(0, 24);
  return `tenantry_${readable}_${createHash('sha256').update(database).digest('hex').slice(0, 6)}`;
}

/**
 * Creates the roles that are missing and brings their settings up to date.
 *
 * @throws DatabaseSetupError with the SQL to run when the connecting user may not
 */
export async function ensureRoles(client: pg.Client, roles: Roles): Promise<void> {
  const names = ROLE_KINDS.map((kind) => roles.name(kind));
  const { rows } = await client.query<{ rolname: string }>('SELECT rolname FROM pg_roles WHERE rolname = ANY($1)', [
    names,
  ]);
  const existing = new Set(rows.map((row) => row.rolname));
  if (existing.size === names.length) return;
  const { rows: where } = await client.query<{ database: string }>('SELECT current_database() AS database');
  const statements = setupSql(roles, existing, where[0]?.database ?? '');
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new DatabaseSetupError(
      `The user of DATABASE_URL may not set up the database roles (${(error as Error).message}).`,
      `Run this once as a user who may create roles, then start again:\n\n${statements.map((s) => `${s};`).join('\n')}\n`,
    );
  }
}

function setupSql(roles: Roles, existing: Set<string>, database: string): string[] {
  const quoted = pg.escapeIdentifier(database);
  const statements: string[] = [];
  for (const kind of ROLE_KINDS) {
    const name = roles.name(kind);
    if (existing.has(name)) continue;
    const verifier = scramVerifier(roles.password(kind));
    statements.push(
      `CREATE ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT PASSWORD '${verifier}'`,
      `GRANT CONNECT ON DATABASE ${quoted} TO ${name}`,
    );
    if (kind === 'migrator') {
      statements.push(`GRANT CREATE ON DATABASE ${quoted} TO ${name}`);
      continue;
    }
    const path = kind === 'platform' ? 'platform' : 'shared';
    // Settings of the role, not start-up parameters: a transaction-mode pooler refuses those.
    statements.push(
      `ALTER ROLE ${name} SET search_path = ${path}`,
      `ALTER ROLE ${name} SET statement_timeout = '${kind === 'maintenance' ? '10min' : '30s'}'`,
      `ALTER ROLE ${name} SET idle_in_transaction_session_timeout = '60s'`,
    );
  }
  return statements;
}

/** A SCRAM-SHA-256 verifier (RFC 5802, RFC 7677): the password itself reaches neither a log nor a screen. */
export function scramVerifier(password: string, salt = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const server = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
}
