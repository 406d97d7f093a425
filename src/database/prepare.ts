import type pg from 'pg';
import type { KeyRing } from '../common/index.js';
import type { Env } from '../env/index.js';
import { acquireDataDirLock, MASTER_KEY_FILE, readOrCreateSecret } from './data-dir.js';
import { DatabaseSetupError } from './database.errors.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate, type MigrationSet } from './migrator.js';
import { ensureRoles, installationOf, type RoleKind, type Roles, rolesOf } from './roles.js';
import { findRoot, type MasterKeys, recordRoot, type RootCopy } from './root-key.js';
import { SteadyClient } from './steady.client.js';

const OLDEST_VERSION = 150_000;

/** How roles reach a server. */
export interface ServerAddress {
  /**
   * @param direct past any pooler, for LISTEN and migrations
   * @param database another one of the same server
   */
  url(kind: RoleKind, direct?: boolean, database?: string): string;
  /** The same for the login role of one tenant. */
  loginUrl(login: string, direct?: boolean, database?: string): string;
}

/** A database that is up, set up and at head, and how each role reaches it. */
export interface PreparedDatabase extends ServerAddress {
  /** What it was brought to head with. */
  migrations: MigrationSet[];
  /** From the root key, which MASTER_KEY opens. */
  keys: KeyRing;
  roles: Roles;
  embedded: boolean;
  /** Whether this process started the embedded server, so that it ends with this process. */
  started: boolean;
  /** Brings the platform's and the shared tables to head. @returns names of the migrations that ran */
  migrate(): Promise<string[]>;
  /** Stops the embedded server, if this process started it. Last of all. */
  stop(): Promise<void>;
}

/** How the database is prepared, where that is not for a service. */
export interface PrepareOptions {
  onProgress?: (text: string) => void;
  /** Called once, when there is nothing to do but to wait for the server. */
  onWait?: () => void;
  /** For a command beside a running service: use its embedded server instead of starting one. */
  joinRunning?: boolean;
  /** Leaves the tables as they are, for whoever calls `migrate` or only looks. */
  asItIs?: boolean;
}

/**
 * Starts or reaches the database, creates roles, runs migrations.
 *
 * @throws DatabaseSetupError with what to do
 */
export async function prepareDatabase(
  env: Env,
  sets: MigrationSet[],
  options: PrepareOptions = {},
): Promise<PreparedDatabase> {
  const progress = options.onProgress ?? (() => undefined);
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const adminUrl = env.databaseUrl ?? (await embeddedUrl(env, options, stops));
    if (stops.length === 0) options.onWait?.();
    const directUrl = env.databaseDirectUrl ?? adminUrl;
    const { roles, keys, copies } = await setUpRoles(directUrl, masterKeysOf(env));
    const address = addressOf({ url: adminUrl, directUrl, roles, keys });
    const url = (kind: RoleKind, direct = false): string => address.url(kind, direct);
    await (await logIn(url('migrator', true))).end();
    const toHead = async (): Promise<string[]> => {
      const ran = await migrate(url('migrator', true), roles.installation, sets);
      await recordRoot(url('migrator', true), roles.installation, copies);
      await checkKey(url('platform', true), keys, true);
      return ran;
    };
    if (adminUrl !== directUrl) await checkPooler(url('platform'));
    if (!options.asItIs) {
      progress('Migrating…');
      await toHead();
    }
    return {
      migrations: sets,
      keys,
      roles,
      embedded: env.databaseUrl === undefined,
      started: stops.length > 0,
      ...address,
      migrate: toHead,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function embeddedUrl(env: Env, options: PrepareOptions, stops: (() => Promise<void>)[]): Promise<string> {
  const { onProgress, onWait } = options;
  if (options.joinRunning) {
    const running = await EmbeddedPostgres.findRunning(env.dataDir);
    if (running) return running;
  }
  const lock = await acquireDataDirLock(env.dataDir);
  stops.push(() => lock.release());
  onProgress?.('Starting the embedded PostgreSQL…');
  const server = await EmbeddedPostgres.start({ dataDir: env.dataDir, onProgress, onWait, keepUp: true });
  stops.push(() => server.stop());
  return server.url;
}

/** As the environment has them, or DATA_DIR where it has none. */
export function masterKeysOf(env: Pick<Env, 'masterKey' | 'masterKeyPrevious' | 'dataDir'>): MasterKeys {
  const current = env.masterKey ?? readOrCreateSecret(env.dataDir, MASTER_KEY_FILE);
  return { current, previous: env.masterKeyPrevious };
}

interface SetUp {
  roles: Roles;
  keys: KeyRing;
  copies: RootCopy[];
}

async function setUpRoles(url: string, masters: MasterKeys): Promise<SetUp> {
  const client = new SteadyClient({ connectionString: url });
  try {
    await client.connect();
  } catch (error) {
    throw new DatabaseSetupError(
      `The database cannot be reached: ${(error as Error).message}`,
      'Check DATABASE_URL and that the server is up, or unset it to use the embedded PostgreSQL.',
      { cause: error },
    );
  }
  try {
    await checkVersion(client);
    const installation = await installationOf(client);
    const { keys, copies, staged } = await findRoot(client, installation, masters);
    const roles = rolesOf(installation, keys);
    // Before anything is changed: a wrong key would mint role passwords, or migrate what is not its own.
    if (await isSetUp(client, roles))
      await checkKey(withLogin(url, roles.name('platform'), roles.password('platform')), keys);
    await ensureRoles(client, roles, staged);
    return { roles, keys, copies };
  } finally {
    await client.end();
  }
}

/** @throws DatabaseSetupError */
export async function checkVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  if ((rows[0]?.version ?? 0) < OLDEST_VERSION) {
    throw new DatabaseSetupError('The database server is older than PostgreSQL 15.', 'Use PostgreSQL 15 or newer.');
  }
}

async function isSetUp(client: pg.Client, roles: Roles): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'platform' AND c.relname = 'installation')
        AND EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS found`,
    [roles.name('platform')],
  );
  return rows[0]?.found ?? false;
}

/** Connects as a role. A password that no longer fits means that MASTER_KEY is not the one of this installation. */
async function logIn(url: string): Promise<pg.Client> {
  const client = new SteadyClient({ connectionString: url });
  try {
    await client.connect();
    return client;
  } catch (error) {
    const wrongPassword = (error as pg.DatabaseError).code === '28P01';
    throw new DatabaseSetupError(
      `The database roles of this installation cannot log in: ${(error as Error).message}`,
      wrongPassword
        ? 'MASTER_KEY (or DATA_DIR/master.key) is probably not the one this database was set up with; restore it.'
        : 'Let the roles named <installation>_<kind> log in from here (pg_hba.conf, connection limits).',
      { cause: error },
    );
  }
}

async function checkPooler(url: string): Promise<void> {
  const client = new SteadyClient({ connectionString: url });
  try {
    await client.connect();
  } catch (error) {
    throw new DatabaseSetupError(
      `The database roles log in by DATABASE_DIRECT_URL but not by DATABASE_URL: ${(error as Error).message}`,
      'Make the pooler of DATABASE_URL know the roles of this installation, by an auth_query for example.',
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Where the server trusts its network, a wrong key would log in and then mint credentials nobody else can read.
 *
 * @param record keep the key's fingerprint if none is kept yet
 */
async function checkKey(url: string, keys: KeyRing, record = false): Promise<void> {
  const client = await logIn(url);
  try {
    if (record) {
      await client.query(
        `INSERT INTO platform.installation (id, key_fingerprint) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`,
        [keys.fingerprint()],
      );
    }
    const { rows } = await client.query<{ key_fingerprint: string }>(
      'SELECT key_fingerprint FROM platform.installation',
    );
    if (rows[0] && rows[0].key_fingerprint !== keys.fingerprint()) {
      throw new DatabaseSetupError(
        'MASTER_KEY is not the one this installation was set up with.',
        'Restore the former MASTER_KEY (or DATA_DIR/master.key) and start again; nothing was changed.',
      );
    }
  } finally {
    await client.end();
  }
}

/** How the roles of an installation reach a server. */
export function addressOf(server: { url: string; directUrl: string; roles: Roles; keys: KeyRing }): ServerAddress {
  const { roles, keys } = server;
  const at = (login: string, password: string, direct = false, database?: string): string =>
    withLogin(direct ? server.directUrl : server.url, login, password, database);
  return {
    url: (kind, direct, database) => at(roles.name(kind), roles.password(kind), direct, database),
    loginUrl: (login, direct, database) => at(login, loginPassword(login, keys), direct, database),
  };
}

/** The password of a tenant's login role, derived as those of the installation's roles are. */
export function loginPassword(login: string, keys: KeyRing): string {
  return keys.derive(`login:${login}`).toString('base64url');
}

function withLogin(base: string, login: string, password: string, database?: string): string {
  const url = new URL(base);
  // As parameters they would win over the part before the @, and the role would be the user of DATABASE_URL after all.
  url.searchParams.delete('user');
  url.searchParams.delete('password');
  url.username = login;
  url.password = password;
  if (url.username === '') {
    // A URL without a host, as for a Unix socket, has no such part.
    url.searchParams.set('user', login);
    url.searchParams.set('password', password);
  }
  if (database !== undefined) {
    url.searchParams.delete('dbname');
    url.pathname = `/${encodeURIComponent(database)}`;
  }
  return url.toString();
}
