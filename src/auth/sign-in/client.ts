import type { AccessRequest } from '../access/principal.js';
import type { Client } from './token.pairs.js';

/** Where somebody signs in from. @param inCookie whether the refresh token goes into a cookie */
export function clientOf(request: AccessRequest, inCookie = false): Client {
  const agent = (request.get('user-agent') ?? 'unknown').slice(0, 200);
  return { address: request.ip, agent, inCookie, left: leftSignal(request) };
}

/** Aborted when the connection is gone, so that nobody waits for the answer. */
export function leftSignal(request: AccessRequest): AbortSignal {
  const left = new AbortController();
  request.res?.once('close', () => left.abort());
  return left.signal;
}
