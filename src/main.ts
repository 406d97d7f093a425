import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { MIGRATIONS } from '../migrations/index.js';
import { createApplication } from './application.js';
import { DatabaseSetupError, prepareDatabase, type PreparedDatabase } from './database/index.js';
import { type Env, EnvError, loadEnv } from './env/index.js';
import { Readiness } from './health/index.js';
import { createLogger } from './logs/index.js';
import { MetricsService } from './metrics/index.js';
import { UnsafeDatabase } from './tenancy/index.js';

/** How long requests in flight may take to finish after a signal, in ms. */
const DRAIN_MS = 10_000;
/** After this long the process ends whatever still hangs, in ms. */
const STOP_MS = 30_000;

async function main(): Promise<void> {
  const env = loadEnv();
  const logger = createLogger(env);
  const stopping = new AbortController();
  let stop = (): void => stopping.abort();
  // The database outlives every signal until the requests in flight are done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop());

  const database = await prepareDatabase(env, MIGRATIONS, { onProgress: (text) => console.error(text) });
  let app: NestExpressApplication;
  try {
    app = await createApplication(env, database, logger);
    if (!stopping.signal.aborted) await app.listen(env.port, env.host);
  } catch (error) {
    await database.stop();
    throw error;
  }
  let shuttingDown = false;
  stop = () => {
    if (shuttingDown) return;
    shuttingDown = true;
    setTimeout(() => process.exit(1), STOP_MS).unref();
    shutDown(app, database, logger).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'The service did not stop cleanly');
        process.exit(1);
      },
    );
  };
  if (stopping.signal.aborted) stop();
  else banner(env, app);
}

async function shutDown(app: NestExpressApplication, database: PreparedDatabase, logger: Logger): Promise<void> {
  logger.info('Stopping: readiness off, finishing requests in flight');
  app.get(Readiness, { strict: false }).stop();
  const server = app.getHttpServer();
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(late);
  await app.close();
  await database.stop();
}

function banner(env: Env, app: NestExpressApplication): void {
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
    '  Try it:',
    `  curl -s -X POST ${base}/session -H 'Content-Type: application/json' -d '{"tenant_id":"acme"}'`,
    '',
  ];
  console.error(lines.join('\n'));
}

main().catch((error: unknown) => {
  const expected = error instanceof EnvError || error instanceof DatabaseSetupError || error instanceof UnsafeDatabase;
  const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  if (inUse) console.error('The port is in use; stop the other process or set PORT (and METRICS_PORT).');
  else console.error(expected ? (error as Error).message : error);
  process.exit(1);
});
