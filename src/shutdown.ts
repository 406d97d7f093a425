import { constants } from 'node:os';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { Readiness } from './health/index.js';
import type { BoundedExpressAdapter } from './http/index.js';

/** How long requests in flight may take to finish after a signal, in ms. */
const DRAIN_MS = 10_000;
/** After this long the process ends whatever still hangs, in ms. */
const STOP_MS = 30_000;
/** Behind a wrapper one wish to stop may arrive twice within this time, in ms. */
const ECHO_MS = 500;

/**
 * Listens for SIGINT, SIGTERM and SIGHUP. A second one exits at once with 128 + its number; the embedded server is then
 * told to stop and not waited for.
 *
 * @param wrapped whether a parent passes on its signals, which may have reached the whole process group already
 * @returns aborted by the first signal
 */
export function stopSignal(wrapped: boolean): AbortSignal {
  const controller = new AbortController();
  let firstAt = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) {
        firstAt = performance.now();
        controller.abort();
      } else if (!wrapped || performance.now() - firstAt > ECHO_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    });
  }
  return controller.signal;
}

/** Readiness off, requests in flight finish, the application closes. What it stands on is the caller's to stop after. */
export async function shutDown(app: NestExpressApplication, logger: Logger): Promise<void> {
  setTimeout(() => process.exit(1), STOP_MS).unref();
  logger.info('Stopping: readiness off, finishing requests in flight');
  app.get(Readiness, { strict: false }).stop();
  await (app.getHttpAdapter() as unknown as BoundedExpressAdapter).drain(DRAIN_MS);
  await app.close();
}
