import 'reflect-metadata';
import path from 'node:path';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../migrations/index.js';
import { JWKS_MAX_AGE_SECONDS, KeyRotation, REALMS } from './auth/index.js';
import './chat/index.js';
import { DatabaseSetupError, prepareDatabase, type PreparedDatabase } from './database/index.js';
import { EnvError, loadEnv } from './env/index.js';
import { readTenantsFile, TenantImport, TenantsFileError } from './tenant/index.js';

const USAGE = `Usage: npm run tenants:import -- FILE
       npm run keys:rotate -- tenant|platform [--now|--revoke]`;

class UsageError extends Error {
  constructor() {
    super(USAGE);
  }
}

/** Runs a command on the control plane, beside a running service or alone. */
async function onPlatform(work: (platform: DataSource, database: PreparedDatabase) => Promise<void>): Promise<void> {
  const database = await prepareDatabase(loadEnv(), MIGRATIONS, { joinRunning: true });
  const platform = new DataSource({
    type: 'postgres',
    url: database.url('platform'),
    installExtensions: false,
    poolSize: 1,
  });
  try {
    await platform.initialize();
    await work(platform, database);
  } finally {
    if (platform.isInitialized) await platform.destroy();
    await database.stop();
  }
}

async function importTenants([file]: string[]): Promise<void> {
  if (!file) throw new UsageError();
  const lines = await readTenantsFile(path.resolve(file));
  await onPlatform(async (platform) => {
    const started = Date.now();
    const report = await new TenantImport(platform).import(lines, {
      mode: 'upsert',
      onProgress: (done, total) => console.error(`${done} of ${total}`),
    });
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`${report.created} created, ${report.updated} updated, ${report.unchanged} unchanged in ${seconds} s`);
  });
}

/**
 * `--now` signs with the new key at once: then whoever caches the key set refuses new tokens until they look again.
 * `--revoke`, after a key was lost, also retires the keys before it at once: every access token given out is void.
 */
async function rotateKeys([name, flag, ...more]: string[]): Promise<void> {
  const realm = REALMS.find((candidate) => candidate === name);
  if (!realm || more.length > 0 || ![undefined, '--now', '--revoke'].includes(flag)) throw new UsageError();
  await onPlatform(async (platform, database) => {
    const rotation = new KeyRotation(platform, database.keys);
    const { kid, activeFrom } =
      flag === '--revoke'
        ? await rotation.revoke(realm)
        : await rotation.rotate(realm, flag === '--now' ? 0 : JWKS_MAX_AGE_SECONDS);
    console.log(`The key ${kid} signs ${realm} tokens from ${activeFrom.toISOString()}.`);
    if (flag === '--revoke') console.log(`Access tokens given out before are void; clients refresh theirs.`);
  });
}

const commands: Record<string, (args: string[]) => Promise<void>> = {
  'tenants:import': importTenants,
  'keys:rotate': rotateKeys,
};
const [command = '', ...args] = process.argv.slice(2);
const work = Object.hasOwn(commands, command) ? commands[command]!(args) : Promise.reject(new UsageError());
work.catch((error: unknown) => {
  const noFile = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const kinds = [UsageError, TenantsFileError, EnvError, DatabaseSetupError];
  const expected = noFile || kinds.some((kind) => error instanceof kind);
  console.error(expected ? (error as Error).message : error);
  process.exitCode = 1;
});
