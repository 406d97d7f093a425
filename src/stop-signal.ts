import { constants } from 'node:os';

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
