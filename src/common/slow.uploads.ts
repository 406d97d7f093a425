import type { IncomingMessage } from 'node:http';

const allowed = new WeakSet<IncomingMessage>();

/**
 * For a route that takes large files: while `read` runs, the body may take as long as it brings 64 KiB every 30 s, where others
 * have to be complete after 30 s. What is left of it after that has as long as any other. To be called by a controller, so that
 * nobody has that long who has not been let in.
 *
 * @param read reads the body, and settles when it is read or refused
 * @returns what `read` resolves to
 */
export async function slowUpload<T>(request: IncomingMessage, read: () => Promise<T>): Promise<T> {
  allowed.add(request);
  try {
    return await read();
  } finally {
    allowed.delete(request);
  }
}

export function isSlowUpload(request: IncomingMessage): boolean {
  return allowed.has(request);
}
