import ipaddr from 'ipaddr.js';

export type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** What IANA gives out for use in the open; all other IPv6 is special, embedded or unassigned. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/** @throws Error for what is no CIDR */
export function networks(cidrs: readonly string[]): Network[] {
  return cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
}

/**
 * Whether an address is one of the public network, or of `allowed`. What carries an IPv4 address (NAT64, 6to4, Teredo)
 * leads to wherever that one does and counts as public nowhere; an IPv4-mapped one is that address, as the kernel has it.
 *
 * @param address as a resolver answers it
 */
export function mayReach(address: string, allowed: readonly Network[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (isWithin(address, allowed)) return true;
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_V6);
}

/** @param address as a resolver answers it */
export function isWithin(address: string, wanted: readonly Network[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return wanted.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match([network, bits] as never));
}
