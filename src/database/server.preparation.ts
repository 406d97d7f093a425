import type pg from 'pg';
import type { KeyRing } from '../common/index.js';
import { DatabaseSetupError } from './database.errors.js';
import type { MigrationSet } from './migrator.js';
import { PlaceMigrator } from './place.migrator.js';
import { addressOf, checkVersion, type ServerAddress } from './prepare.js';
import { ensureRoles, type Roles } from './roles.js';
import { withConnection } from './with-connection.js';

/** A database on another server, for shared tables of its own and for schemas and databases of tenants beside them. */
export interface NewServer {
  url: string;
  /** The same past any pooler. */
  directUrl: string;
  roles: Roles;
  keys: KeyRing;
  migrations: MigrationSet[];
}

/**
 * Makes the installation's roles and shared tables on another server. May be repeated.
 *
 * @throws DatabaseSetupError when it cannot be reached, is too old, is another installation's, or roles cannot be made
 */
export async function prepareServer(server: NewServer): Promise<ServerAddress> {
  const { roles, keys, migrations } = server;
  const address = addressOf({ url: server.url, directUrl: server.directUrl, roles, keys });
  await withServer(server.directUrl, async (client) => {
    await checkVersion(client);
    await checkOwner(client, roles.installation);
    await ensureRoles(client, roles);
  });
  const migrator = await PlaceMigrator.connect(address.url('migrator', true), migrations);
  try {
    await migrator.toHead({ schema: 'shared' });
    await migrator.sign('shared', noteOf(roles.installation));
  } finally {
    await migrator.close();
  }
  // By way of the pooler, if there is one: a server that only we can prepare is of no use to those who serve from it.
  await withServer(address.url('tenant'), async (client) => void (await client.query('SELECT 1')));
  return address;
}

async function checkOwner(client: pg.Client, installation: string): Promise<void> {
  const { rows } = await client.query<{ note: string | null; controls: boolean }>(
    `SELECT (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'shared') AS note,
            EXISTS (SELECT FROM pg_namespace WHERE nspname = 'platform') AS controls`,
  );
  const { note, controls } = rows[0]!;
  if (controls) {
    throw new DatabaseSetupError('This database is the control plane of an installation.', 'Name an empty one.');
  }
  if (note !== null && note !== noteOf(installation)) {
    throw new DatabaseSetupError("This database has another installation's tables.", 'Name an empty one.');
  }
}

const noteOf = (installation: string): string => `shared tables of tenantry installation ${installation}`;

async function withServer(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  let reached = false;
  const reaching = (client: pg.Client): Promise<void> => {
    reached = true;
    return work(client);
  };
  try {
    await withConnection(url, reaching, { connectionTimeoutMillis: 5000 });
  } catch (error) {
    if (reached) throw error;
    throw new DatabaseSetupError(
      `The server cannot be reached: ${(error as Error).message}`,
      'Check host, port, user and password, and that it takes connections from here.',
      { cause: error },
    );
  }
}
