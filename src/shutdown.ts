import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { Readiness } from './health/index.js';
import type { BoundedExpressAdapter } from './http/index.js';

/** How long requests in flight may take to finish after a signal, in ms. */
const DRAIN_MS = 10_000;
/** After this long the process ends whatever still hangs, in ms. */
const STOP_MS = 30_000;

/** Readiness off, requests in flight finish, the application closes. What it stands on is the caller's to stop after. */
export async function shutDown(app: NestExpressApplication, logger: Logger): Promise<void> {
  setTimeout(() => process.exit(1), STOP_MS).unref();
  logger.info('Stopping: readiness off, finishing requests in flight');
  app.get(Readiness, { strict: false }).stop();
  await (app.getHttpAdapter() as unknown as BoundedExpressAdapter).drain(DRAIN_MS);
  await app.close();
}
