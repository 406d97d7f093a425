import type { IncomingMessage } from 'node:http';

const allowed = new WeakSet<IncomingMessage>();

/** Lets a body take as long as it comes at a pace that the server sets, for a route that takes large files. */
export function allowSlowUpload(request: IncomingMessage): void {
  allowed.add(request);
}

export function isSlowUpload(request: IncomingMessage): boolean {
  return allowed.has(request);
}
