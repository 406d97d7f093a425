import ipaddr from 'ipaddr.js';
import type { AccessRequest } from './principal.js';

/** What proxies add to requests that they pass on. */
const PASSED_ON = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];

/**
 * Whether a program on this machine or one of TRUSTED_PROXIES asks on its own account. A request that it passes on for
 * somebody else bears the traces of that.
 */
export function isInternal(request: AccessRequest): boolean {
  if (PASSED_ON.some((name) => request.headers[name] !== undefined)) return false;
  const peer = request.socket.remoteAddress;
  if (peer === undefined || !ipaddr.isValid(peer)) return false;
  const isTrusted = request.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  return ipaddr.process(peer).range() === 'loopback' || isTrusted(peer, 0);
}
