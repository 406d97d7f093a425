import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import type { KeyRing } from '../common/index.js';
import { DatabaseSetupError } from './database.errors.js';

export const ROLE_KINDS = ['migrator', 'platform', 'tenant', 'maintenance', 'provisioner'] as const;
export type RoleKind = (typeof ROLE_KINDS)[number];

/** The roles of one installation. Roles belong to the whole server, so their names carry the installation. */
export interface Roles {
  installation: string;
  name(kind: RoleKind): string;
  /** Derived from the root key, so that every process knows it and nothing stores it. */
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
 * The installation of a database: what its schema says, else derived from its name and oid. The oid keeps a new database
 * from taking over the roles of an older one that was renamed.
 *
 * A cloned database keeps the installation, and with it the roles that its policies and grants name.
 */
export async function installationOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string | null; database: string; oid: number }>(
    `SELECT (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'platform') AS name,
            datname AS database, oid FROM pg_database WHERE datname = current_database()`,
  );
  const row = rows[0];
  const recorded = row?.name?.match(/^tenantry installation (\w+)$/)?.[1];
  if (recorded) return recorded;
  const database = row?.database ?? '';
  const readable = database.toLowerCase().replaceAll(/\W/g, '_').slice(0, 24);
  const suffix = createHash('sha256').update(`${database}:${row?.oid}`).digest('hex').slice(0, 6);
  return `tenantry_${readable}_${suffix}`;
}

/**
 * Creates the roles that are missing, and gives each the rights and settings it lacks. Changes all or nothing; safe when
 * several processes start at once.
 *
 * @param note kept on the migrator's role when that is made: how its password can be derived again
 * @throws DatabaseSetupError with the SQL to run when the connecting user may not
 */
export async function ensureRoles(client: pg.Client, roles: Roles, note?: string): Promise<void> {
  let statements: string[] = [];
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`tenantry:roles:${roles.installation}`]);
    statements = await missingSql(client, roles, note);
    for (const statement of statements) await client.query(statement);
    // A GRANT by a user without the grant option is answered with a warning only.
    const refused = await missingSql(client, roles, note);
    if (refused.length > 0) throw new Error(`no effect: ${refused.join('; ')}`);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    if (statements.length === 0) throw error;
    throw new DatabaseSetupError(
      `The user of DATABASE_URL could not set up the database roles (${(error as Error).message}).`,
      `Run this once as a superuser, or as a user with CREATEROLE who owns the database, then start again:\n\n${script(statements)}\n`,
    );
  }
}

interface RoleState {
  database: string;
  name: string;
  exists: boolean;
  connects: boolean;
  creates: boolean;
  settings: string[];
  /** Whether everybody may connect to this database, and the user that asks may end that. */
  open: boolean;
  /** Whether it may become the migrator, for which it makes databases. */
  becomes: boolean;
  /** Whether it may let others connect: the login roles of tenants whose schema is in this database. */
  admits: boolean;
  /** Whether the user that asks may let others create databases. */
  grantsCreation: boolean;
}

/** Roles and the note on them hold together: of two such scripts, one that comes second must change nothing. */
function script(statements: string[]): string {
  const lines = statements.map((statement) => `${statement};`);
  const noted = statements.some((statement) => statement.startsWith('COMMENT ON ROLE'));
  return (noted ? ['BEGIN;', ...lines, 'COMMIT;'] : lines).join('\n');
}

async function missingSql(client: pg.Client, roles: Roles, note?: string): Promise<string[]> {
  const names = ROLE_KINDS.map((kind) => roles.name(kind));
  // A cloned or restored database has its schemas; a user who may not let the migrator create more can work with it.
  const { rows } = await client.query<RoleState>(
    `SELECT current_database() AS database, name, r.oid IS NOT NULL AS exists,
            coalesce(has_database_privilege(r.oid, current_database(), 'CONNECT'), false) AS connects,
            coalesce(has_database_privilege(r.oid, current_database(), 'CREATE'), false)
              OR ((SELECT count(*) = 3 FROM pg_namespace WHERE nspname IN ('platform', 'shared', 'jobs'))
                  AND NOT (me.rolsuper OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database
                                            WHERE datname = current_database()))) AS creates,
            ARRAY(SELECT split_part(setting, '=', 1) FROM unnest(r.rolconfig) AS setting) AS settings,
            (SELECT (d.datacl IS NULL OR EXISTS (SELECT FROM aclexplode(d.datacl)
                       WHERE grantee = 0 AND privilege_type = 'CONNECT'))
                    AND (me.rolsuper OR pg_has_role(d.datdba, 'USAGE'))
               FROM pg_database d WHERE d.datname = current_database()) AS open,
            coalesce(pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = $2), 'MEMBER'), false) AS becomes,
            coalesce(has_database_privilege(r.oid, current_database(), 'CONNECT WITH GRANT OPTION'), false) AS admits,
            me.rolsuper OR me.rolcreatedb AS "grantsCreation"
       FROM pg_roles me, unnest($1::text[]) WITH ORDINALITY AS wanted (name, place) LEFT JOIN pg_roles r ON r.rolname = name
      WHERE me.rolname = current_user ORDER BY place`,
    [names, roles.name('migrator')],
  );
  return rows.flatMap((state, index) => missingOf(roles, ROLE_KINDS[index]!, state, note));
}

function missingOf(roles: Roles, kind: RoleKind, state: RoleState, note?: string): string[] {
  const { name } = state;
  const database = pg.escapeIdentifier(state.database);
  const statements: string[] = [];
  if (!state.exists) {
    const verifier = scramVerifier(roles.password(kind));
    const makes = kind === 'provisioner';
    // Who may not create databases cannot let others: tenants then get schemas at most, and are told so.
    const attributes = `${makes && state.grantsCreation ? '' : 'NO'}CREATEDB ${makes ? '' : 'NO'}CREATEROLE`;
    statements.push(`CREATE ROLE ${name} LOGIN NOSUPERUSER ${attributes} NOBYPASSRLS NOINHERIT PASSWORD '${verifier}'`);
    if (kind === 'migrator' && note !== undefined) {
      statements.push(`COMMENT ON ROLE ${name} IS ${pg.escapeLiteral(note)}`);
    }
  }
  // While everybody may, nobody needs to be told; that ends below.
  if (!state.connects || state.open) statements.push(`GRANT CONNECT ON DATABASE ${database} TO ${name}`);
  if (kind === 'migrator') {
    if (!state.creates) statements.push(`GRANT CREATE ON DATABASE ${database} TO ${name}`);
    // The login roles of tenants may enter their own databases only.
    if (state.open) statements.push(`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC`);
    return statements;
  }
  if (kind === 'provisioner') {
    if (!state.becomes) statements.push(`GRANT ${roles.name('migrator')} TO ${name}`);
    if (!state.admits && state.grantsCreation)
      statements.push(`GRANT CONNECT ON DATABASE ${database} TO ${name} WITH GRANT OPTION`);
    return statements;
  }
  // Settings of the role, not start-up parameters: a transaction-mode pooler refuses those. One that an operator has
  // given another value stays as it is.
  const settings = {
    search_path: kind === 'platform' ? 'platform' : 'shared',
    statement_timeout: kind === 'maintenance' ? "'10min'" : "'30s'",
    idle_in_transaction_session_timeout: "'60s'",
    // The fence rests on it: an older snapshot would not see that a tenant has moved.
    default_transaction_isolation: "'read committed'",
  };
  for (const [setting, value] of Object.entries(settings)) {
    if (!state.settings.includes(setting)) statements.push(`ALTER ROLE ${name} SET ${setting} = ${value}`);
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
