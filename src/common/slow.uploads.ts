import type { IncomingMessage } from 'node:http';

const allowed = new WeakSet<IncomingMessage>();

/** Lets a body take as long as it comes at a pace that the server sets, for a route that takes large files. */
export function allowSlowUpload(request: IncomingMessage): void {
  allowed.add(request);
}

/** From now on what is left of the body has as long as any other. */
export function endSlowUpload(request: IncomingMessage): void {
  allowed.delete(request);
}

export function isSlowUpload(request: IncomingMessage): boolean {
  return allowed.has(request);
}
