import 'reflect-metadata';
import { DatabaseSetupError, prepareDatabase } from './database/index.js';
import { EnvError, loadEnv } from './env/index.js';
import { migrationsOf, type Product } from './product.js';
import { stopSignal } from './stop-signal.js';

/**
 * Runs the service until a signal ends it: environment, database, migrations, HTTP and jobs. What keeps it from starting is
 * said on standard error, with what to do.
 *
 * @param product what is built on Tenantry; nothing for Tenantry alone
 * @returns the status for `process.exit`
 */
export async function startApplication(product: Product = {}): Promise<number> {
  try {
    await run(product);
    return 0;
  } catch (error) {
    const { UnsafeDatabase } = await import('./tenancy/index.js');
    const expected =
      error instanceof EnvError || error instanceof DatabaseSetupError || error instanceof UnsafeDatabase;
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (inUse) console.error('The port is in use; stop the other process or set PORT (and METRICS_PORT).');
    else console.error(expected ? (error as Error).message : error);
    return 1;
  }
}

async function run(product: Product): Promise<void> {
  const env = loadEnv();
  const stopping = stopSignal(process.argv.includes('--wrapped'));
  const onProgress = (text: string): void => console.error(text);
  // The rest of the code is read while the database starts.
  const service = (): Promise<typeof import('./service.js')> => import('./service.js');
  const onWait = (): void => void service().catch(() => undefined);
  const database = await prepareDatabase(env, migrationsOf(product), { onProgress, onWait });
  try {
    if (!stopping.aborted) await (await service()).serve(env, database, product, stopping);
  } finally {
    // Last of all: the requests in flight are done only now.
    await database.stop();
  }
}
