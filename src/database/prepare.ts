import pg from 'pg';
import { KeyRing } from '../common/index.js';
import type { Env } from '../env/index.js';
import { acquireDataDirLock, readOrCreateSecret } from './data-dir.js';
import { DatabaseSetupError } from './database.errors.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate, type MigrationSet } from './migrator.js';
import { ensureRoles, installationOf, type RoleKind, type Roles, rolesOf } from './roles.js';

/** A database that is up, set up and at head, and how each role reaches it. */
export interface PreparedDatabase {
  keys: KeyRing;
  roles: Roles;
  embedded: boolean;
  /** @param direct past any pooler, for LISTEN and migrations */
  url(kind: RoleKind, direct?: boolean): string;
  /** Stops the embedded server, if this process started it. Last of all. */
  stop(): Promise<void>;
}

export interface PrepareOptions {
  onProgress?: (text: string) => void;
  /** For a command beside a running service: use its embedded server instead of starting one. */
  joinRunning?: boolean;
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
    const directUrl = env.databaseDirectUrl ?? adminUrl;
    const keys = new KeyRing(env.masterKey ?? readOrCreateSecret(env.dataDir, 'master.key'));
    const roles = await setUpRoles(directUrl, keys);
    const url = (kind: RoleKind, direct = false): string => withRole(direct ? directUrl : adminUrl, roles, kind);
    await checkLogin(url('migrator', true));
    progress('Migrating…');
    await migrate(url('migrator', true), roles.installation, sets);
    await checkKey(url('platform', true), keys);
    return { keys, roles, embedded: env.databaseUrl === undefined, url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function embeddedUrl(env: Env, options: PrepareOptions, stops: (() => Promise<void>)[]): Promise<string> {
  if (options.joinRunning) {
    const running = await EmbeddedPostgres.findRunning(env.dataDir);
    if (running) return running;
  }
  const lock = await acquireDataDirLock(env.dataDir);
  stops.push(() => lock.release());
  options.onProgress?.('Starting the embedded PostgreSQL…');
  const server = await EmbeddedPostgres.start({ dataDir: env.dataDir, onProgress: options.onProgress });
  stops.push(() => server.stop());
  return server.url;
}

async function setUpRoles(url: string, keys: KeyRing): Promise<Roles> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
  } catch (error) {
    throw new DatabaseSetupError(
      `The database cannot be reached: ${(error as Error).message}`,
      'Check DATABASE_URL and that the server is up, or unset it to use the embedded PostgreSQL.',
    );
  }
  try {
    const { rows } = await client.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    if ((rows[0]?.version ?? 0) < 150_000) {
      throw new DatabaseSetupError('The database server is older than PostgreSQL 15.', 'Use PostgreSQL 15 or newer.');
    }
    const roles = rolesOf(await installationOf(client), keys);
    await ensureRoles(client, roles);
    return roles;
  } finally {
    await client.end();
  }
}

/** A role whose password no longer fits means that MASTER_KEY is not the one of this installation. */
async function checkLogin(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
  } catch (error) {
    throw new DatabaseSetupError(
      `The database roles of this installation cannot log in: ${(error as Error).message}`,
      'MASTER_KEY (or DATA_DIR/master.key) is probably not the one this database was set up with; restore it.',
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Where the server trusts its network, a wrong key would log in and then mint credentials nobody else can read. */
async function checkKey(url: string, keys: KeyRing): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO platform.installation (id, key_fingerprint) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`,
      [keys.fingerprint()],
    );
    const { rows } = await client.query<{ key_fingerprint: string }>(
      'SELECT key_fingerprint FROM platform.installation',
    );
    if (rows[0]?.key_fingerprint !== keys.fingerprint()) {
      throw new DatabaseSetupError(
        'MASTER_KEY is not the one this installation was set up with.',
        'Restore the former MASTER_KEY (or DATA_DIR/master.key) and start again; nothing was changed.',
      );
    }
  } finally {
    await client.end();
  }
}

function withRole(base: string, roles: Roles, kind: RoleKind): string {
  const url = new URL(base);
  url.username = roles.name(kind);
  url.password = roles.password(kind);
  return url.toString();
}
