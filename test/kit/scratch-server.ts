import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { withDatabase } from './test-env.js';

/** A database of its own on a server, with the users it is reached by. */
export interface Scratch {
  /** Part of the name of everything that belongs to this database. */
  tag: string;
  name: string;
  /** The URL of the user that a test sets up with. */
  url: string;
  /** The same database as the superuser. */
  adminUrl: string;
  /** Runs SQL in this database as the superuser. */
  admin<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The roles that carry the tag, users included. */
  roles(): Promise<string[]>;
  drop(): Promise<void>;
}

export interface ScratchUser {
  /** Attributes for CREATE ROLE. */
  attributes?: string;
  owner?: boolean;
  /** SQL run as the superuser in the database; `<user>` and `<database>` stand for their quoted names. */
  grants?: string;
}

/**
 * Makes an empty database, and the user to reach it by unless that is the superuser.
 *
 * @param serverUrl a superuser's URL
 * @param prefix beginning of the database's name
 */
export async function createScratch(serverUrl: string, user?: ScratchUser, prefix = 'scratch'): Promise<Scratch> {
  const tag = randomBytes(4).toString('hex');
  const name = `${prefix}_${tag}`;
  const adminUrl = withDatabase(serverUrl, encodeURIComponent(name));
  const url = new URL(adminUrl);
  const quoted = pg.escapeIdentifier(name);
  const names = (sql: string): string => sql.replaceAll('<user>', `setup_${tag}`).replaceAll('<database>', quoted);
  if (user) {
    url.username = `setup_${tag}`;
    url.password = randomBytes(9).toString('hex');
    await runSql(serverUrl, names(`CREATE ROLE <user> LOGIN ${user.attributes ?? ''} PASSWORD '${url.password}'`));
  }
  await runSql(serverUrl, names(`CREATE DATABASE <database> ${user?.owner ? 'OWNER <user>' : ''}`));
  if (user?.grants) await runSql(adminUrl, names(user.grants));
  const roles = async (): Promise<string[]> => {
    const rows = await runSql(serverUrl, 'SELECT rolname FROM pg_roles WHERE strpos(rolname, $1) > 0 ORDER BY 1', [
      tag,
    ]);
    return (rows as { rolname: string }[]).map((row) => row.rolname);
  };
  return {
    tag,
    name,
    url: url.toString(),
    adminUrl,
    admin: (sql, values) => runSql(adminUrl, sql, values) as never,
    roles,
    drop: async () => {
      await runSql(serverUrl, `DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`);
      const left = await roles();
      if (left.length > 0) await runSql(serverUrl, `DROP ROLE ${left.join(', ')}`);
    },
  };
}

/** Runs SQL over a connection of its own. */
export async function runSql(url: string, sql: string, values?: unknown[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as unknown[];
  } finally {
    await client.end();
  }
}
