import ipaddr from 'ipaddr.js';

/** Who stands behind an address that cannot be read; they share one bucket, so it is no way around a limit. */
const UNREADABLE = 'unreadable';

/**
 * What counts as one place on the network: an IPv4 address, or the /64 of an IPv6 one, which is the least that a
 * customer of a provider gets and so costs an attacker nothing to walk through. IPv4-mapped IPv6 (RFC 4291, 2.5.5.2)
 * is the IPv4 address within.
 */
export function addressBucket(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return UNREADABLE;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
