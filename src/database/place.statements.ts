import pg from 'pg';
import type { KeyRing } from '../common/index.js';
import { loginPassword, type ServerAddress } from './prepare.js';
import { type Roles, scramVerifier } from './roles.js';
import { withConnection } from './with-connection.js';

/** Tables that one statement drops at most, each with its indexes and sequences: every one is a lock. */
const DROPPED_AT_ONCE = 50;

/** A server, and whose installation it is. */
export interface PlaceServer {
  address: ServerAddress;
  roles: Roles;
  keys: KeyRing;
}

/**
 * Makes the login role of a tenant, which finds the tables of `schema` and may do no more than what is granted to it.
 *
 * @param enters whether its tables are in the installation's own database
 */
export async function makeLogin(server: PlaceServer, login: string, schema: string, enters: boolean): Promise<void> {
  const role = pg.escapeIdentifier(login);
  await asProvisioner(server, async (client) => {
    if (!(await hasRole(client, login))) {
      const verifier = scramVerifier(loginPassword(login, server.keys));
      const attributes = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT';
      await client.query(`CREATE ROLE ${role} ${attributes} PASSWORD '${verifier}'`);
    }
    // To be able to end its connections when its database is dropped.
    await client.query(`GRANT ${role} TO ${pg.escapeIdentifier(server.roles.name('provisioner'))}`);
    await client.query(`ALTER ROLE ${role} SET search_path = ${pg.escapeIdentifier(schema)}`);
    await client.query(`ALTER ROLE ${role} SET statement_timeout = '30s'`);
    await client.query(`ALTER ROLE ${role} SET idle_in_transaction_session_timeout = '60s'`);
    await client.query(`ALTER ROLE ${role} SET default_transaction_isolation = 'read committed'`);
    if (enters) await client.query(`GRANT CONNECT ON DATABASE ${ownDatabase(client)} TO ${role}`);
  });
}

/** Makes a database that nobody may enter but `login` and those who look after it. */
export async function makeDatabase(server: PlaceServer, name: string, login: string): Promise<void> {
  const database = pg.escapeIdentifier(name);
  const migrator = pg.escapeIdentifier(server.roles.name('migrator'));
  const guests = `${pg.escapeIdentifier(login)}, ${pg.escapeIdentifier(server.roles.name('maintenance'))}`;
  await asProvisioner(server, async (client) => {
    const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rows.length === 0) await client.query(`CREATE DATABASE ${database} OWNER ${migrator} TEMPLATE template0`);
    await client.query(`SET ROLE ${migrator}`);
    await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${guests}`);
  });
}

/** How often dropping a database is tried while connections that were ended are still going away. */
const DROP_ATTEMPTS = 50;

/** Drops the database of a tenant, whoever is in it. */
export async function dropDatabase(server: PlaceServer, name: string, login: string): Promise<void> {
  const database = pg.escapeIdentifier(name);
  const migrator = pg.escapeIdentifier(server.roles.name('migrator'));
  await asProvisioner(server, async (client) => {
    if ((await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rows.length === 0) return;
    await client.query(`SET ROLE ${migrator}`);
    await client.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    // DROP … WITH (FORCE) would need a right over all these roles. Each may end its own connections.
    await client.query(END_CONNECTIONS, [name]);
    await client.query('RESET ROLE');
    if (await hasRole(client, login)) {
      await client.query(`SET ROLE ${pg.escapeIdentifier(login)}`);
      await client.query(END_CONNECTIONS, [name]);
    }
    await withConnection(
      server.address.url('maintenance', true),
      async (own) => void (await own.query(END_CONNECTIONS, [name])),
    );
    await client.query(`SET ROLE ${migrator}`);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.query(`DROP DATABASE IF EXISTS ${database}`);
        return;
      } catch (error) {
        if ((error as pg.DatabaseError).code !== OBJECT_IN_USE || attempt === DROP_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  });
}

const OBJECT_IN_USE = '55006';
const END_CONNECTIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = $1 AND usename = current_user AND pid <> pg_backend_pid()`;

/**
 * Drops a schema some tables at a time, so that thousands of them exhaust no lock table.
 *
 * @param login who entered it, if it had a role of its own: what it was granted beside its schema goes, too
 */
export async function dropSchema({ address }: PlaceServer, schema: string, login: string | null = null): Promise<void> {
  const name = pg.escapeIdentifier(schema);
  await withConnection(address.url('migrator', true), async (client) => {
    for (;;) {
      const { rows } = await client.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1 LIMIT ${DROPPED_AT_ONCE}`,
        [schema],
      );
      if (rows.length === 0) break;
      const tables = rows.map((row) => `${name}.${pg.escapeIdentifier(row.name)}`).join(', ');
      await client.query(`DROP TABLE ${tables} CASCADE`);
    }
    await client.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
    if (login === null || !(await hasRole(client, login))) return;
    const role = pg.escapeIdentifier(login);
    await client.query(`REVOKE ALL ON ALL TABLES IN SCHEMA shared FROM ${role}`);
    await client.query(`REVOKE ALL ON SCHEMA shared FROM ${role}`);
  });
}

/** Keeps the role that serves from a schema out of it, for as long as it is kept unused. */
export async function hideSchema({ address }: PlaceServer, schema: string, role: string): Promise<void> {
  await withConnection(address.url('migrator', true), async (client) => {
    await client.query(`REVOKE USAGE ON SCHEMA ${pg.escapeIdentifier(schema)} FROM ${pg.escapeIdentifier(role)}`);
  });
}

/** The same for a database, whose connections end. */
export async function hideDatabase(server: PlaceServer, name: string, login: string): Promise<void> {
  const role = pg.escapeIdentifier(login);
  await asProvisioner(server, async (client) => {
    await client.query(`SET ROLE ${pg.escapeIdentifier(server.roles.name('migrator'))}`);
    await client.query(`REVOKE CONNECT ON DATABASE ${pg.escapeIdentifier(name)} FROM ${role}`);
    await client.query(`RESET ROLE; SET ROLE ${role}`);
    await client.query(END_CONNECTIONS, [name]);
  });
}

/** After its database or schema: a role that something is granted to cannot be dropped. */
export async function dropLogin(server: PlaceServer, login: string): Promise<void> {
  const role = pg.escapeIdentifier(login);
  await asProvisioner(server, async (client) => {
    if (!(await hasRole(client, login))) return;
    await client.query(`REVOKE CONNECT ON DATABASE ${ownDatabase(client)} FROM ${role}`);
    await client.query(`DROP ROLE ${role}`);
  });
}

async function hasRole(client: pg.Client, name: string): Promise<boolean> {
  return (await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name])).rows.length > 0;
}

function ownDatabase(client: pg.Client): string {
  return pg.escapeIdentifier(client.database ?? '');
}

function asProvisioner(server: PlaceServer, work: (client: pg.Client) => Promise<void>): Promise<void> {
  return withConnection(server.address.url('provisioner', true), work);
}
