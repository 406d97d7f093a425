import pg from 'pg';
import { MIGRATIONS } from '../../migrations/index.js';
import { seal } from '../../src/common/index.js';
import { PlaceMigrator } from '../../src/database/index.js';
import type { Placement } from '../../src/tenancy/index.js';
import type { SignedInAdmin } from './platform.js';
import { createTenant, untilStatus } from './tenants.js';
import type { TestApp } from './test-app.js';
import { withDatabase } from './test-env.js';

export interface TestServer {
  name: string;
  adminUrl: string;
  drop(): Promise<void>;
}

/**
 * Registers another server that tenants are placed on by name: the test's own one, by way of another database.
 *
 * @param through what lies between, if anything
 */
export async function addServer(
  t: TestApp,
  name: string,
  through: (url: string) => string = (url) => url,
): Promise<TestServer> {
  const { adminUrl, prepared } = t.database;
  const admin = (sql: string, values?: unknown[]): Promise<unknown> => t.database.admin(sql, values);
  const database = `${new URL(adminUrl).pathname.slice(1)}_${name}`;
  const [migrator, ...others] = (['migrator', 'platform', 'tenant', 'maintenance', 'provisioner'] as const).map(
    (kind) => prepared.roles.name(kind),
  );
  await admin(`CREATE DATABASE ${database}`);
  await admin(`REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
  await admin(`GRANT CONNECT, CREATE ON DATABASE ${database} TO ${migrator}`);
  await admin(`GRANT CONNECT ON DATABASE ${database} TO ${others.join(', ')}`);
  const migrations = await PlaceMigrator.connect(prepared.url('migrator', true, database), MIGRATIONS);
  await migrations.toHead({ schema: 'shared' }).finally(() => migrations.close());
  const url = withDatabase(adminUrl, database);
  await admin('INSERT INTO platform.servers (name, url, weight) VALUES ($1, $2, 0)', [
    name,
    seal(prepared.keys.derive('servers'), through(url), name),
  ]);
  return {
    name,
    adminUrl: url,
    drop: async () => void (await admin(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)),
  };
}

/** Has a tenant made that anybody may chat with, and waits until it is in service. */
export async function placeTenant(
  admin: SignedInAdmin,
  slug: string,
  wishes: { isolation?: Placement['kind']; server?: string },
): Promise<void> {
  const answer = await createTenant(admin, slug, { ...wishes, settings: { 'chat.public': true, model: 'mock-1' } });
  if (answer.status !== 201) throw new Error(`${slug} could not be made: ${answer.text}`);
  const made = await untilStatus(admin, slug, 'active', 'failed');
  if (made.status !== 'active') throw new Error(`${slug} failed: ${JSON.stringify(made)}`);
}

/** Runs SQL as the superuser where a tenant lives, its tables named without a schema. */
export async function sqlAt<Row extends pg.QueryResultRow>(
  t: TestApp,
  slug: string,
  sql: string,
  values: unknown[] = [],
  server?: TestServer,
): Promise<Row[]> {
  const { placement } = await t.tenant(slug);
  const home = server?.adminUrl ?? t.database.adminUrl;
  const url = placement.kind === 'database' ? withDatabase(home, placement.database) : home;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const schema = placement.kind === 'schema' ? placement.schema : 'shared';
    await client.query(`SELECT set_config('search_path', $1, false)`, [schema]);
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
