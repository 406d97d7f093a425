import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { createApplication } from './application.js';
import { FirstAdmin } from './auth/index.js';
import { DatabaseSetupError, prepareDatabase, type PreparedDatabase } from './database/index.js';
import { type Env, EnvError, loadEnv } from './env/index.js';
import { createLogger } from './logs/index.js';
import { MetricsService } from './metrics/index.js';
import { migrationsOf, type Product } from './product.js';
import { shutDown, stopSignal } from './shutdown.js';
import { UnsafeDatabase } from './tenancy/index.js';

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
  const logger = createLogger(env);
  const stopping = stopSignal(process.argv.includes('--wrapped'));
  const onProgress = (text: string): void => console.error(text);
  const database = await prepareDatabase(env, migrationsOf(product), { onProgress });
  try {
    if (!stopping.aborted) await serve({ env, database, logger, product }, stopping);
  } finally {
    // Last of all: the requests in flight are done only now.
    await database.stop();
  }
}

interface Service {
  env: Env;
  database: PreparedDatabase;
  logger: Logger;
  product: Product;
}

/** From the making of the application to its end, which a signal brings about, also before it listens. */
async function serve({ env, database, logger, product }: Service, stopping: AbortSignal): Promise<void> {
  const app = await createApplication(env, database, logger, product);
  if (!stopping.aborted) {
    await app.listen(env.port, env.host);
    // Only now: a start that fails on its port must not use up the one-time password.
    if (env.role === 'worker') workerBanner(app);
    else banner(env, app, await app.get(FirstAdmin).withOneTimePassword());
    if (!stopping.aborted) await once(stopping, 'abort');
  }
  await shutDown(app, logger);
}

function workerBanner(app: NestExpressApplication): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const base = `http://localhost:${port}`;
  console.error(`\n  Tenantry worker\n  Health        ${base}/health/ready\n  Metrics       ${base}/metrics\n`);
}

/** On standard error, past the log: it may hold passwords. */
function banner(env: Env, app: NestExpressApplication, admin?: { email: string; password: string }): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const base = env.port === port ? env.publicUrl : `http://localhost:${port}`;
  const lines = [
    '',
    `  Tenantry      ${base}`,
    `  Swagger UI    ${base}/docs`,
    `  OpenAPI       ${base}/openapi.json`,
    `  Health        ${base}/health/ready`,
    `  Metrics       http://localhost:${app.get(MetricsService).port}/metrics`,
    '',
    ...(env.demo
      ? [`  Demo users    owner@acme.example, member@globex.example, … (password ${env.demoPassword})`, '']
      : []),
    ...(admin ? [`  Admin         ${admin.email} (one-time password ${admin.password}, shown only now)`, ''] : []),
    '  Try it:',
    `  curl -s -X POST ${base}/session -H 'Content-Type: application/json' -d '{"tenant_id":"acme"}'`,
    '',
  ];
  console.error(lines.join('\n'));
}
