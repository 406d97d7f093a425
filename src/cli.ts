import 'reflect-metadata';
import path from 'node:path';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../migrations/index.js';
import './chat/index.js';
import { DatabaseSetupError, prepareDatabase } from './database/index.js';
import { EnvError, loadEnv } from './env/index.js';
import { readTenantsFile, TenantRegistry, TenantsFileError } from './tenant/index.js';

const USAGE = 'Usage: npm run tenants:import -- FILE';

/** Imports a tenants file, beside a running service or alone. */
async function importTenants(file: string | undefined): Promise<void> {
  if (!file) throw new TenantsFileError([USAGE]);
  const lines = await readTenantsFile(path.resolve(file));
  const database = await prepareDatabase(loadEnv(), MIGRATIONS, { joinRunning: true });
  const platform = new DataSource({
    type: 'postgres',
    url: database.url('platform'),
    installExtensions: false,
    poolSize: 1,
  });
  try {
    await platform.initialize();
    const started = Date.now();
    const report = await new TenantRegistry(platform).import(lines, {
      mode: 'upsert',
      onProgress: (done, total) => console.error(`${done} of ${total}`),
    });
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`${report.created} created, ${report.updated} updated, ${report.unchanged} unchanged in ${seconds} s`);
  } finally {
    if (platform.isInitialized) await platform.destroy();
    await database.stop();
  }
}

const [command, ...args] = process.argv.slice(2);
const work = command === 'tenants:import' ? importTenants(args[0]) : Promise.reject(new TenantsFileError([USAGE]));
work.catch((error: unknown) => {
  const noFile = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const expected =
    noFile || error instanceof TenantsFileError || error instanceof EnvError || error instanceof DatabaseSetupError;
  console.error(expected ? (error as Error).message : error);
  process.exitCode = 1;
});
