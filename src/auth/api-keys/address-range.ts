import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Reads a range of addresses in CIDR notation (RFC 4632, RFC 4291), strictly: no short, octal or zoned forms, and an
 * IPv4 range only as IPv4, since addresses are compared that way.
 *
 * @returns the range by its first address, or undefined for anything else
 */
export function canonicalRange(text: string): string | undefined {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits) || address.includes('%')) return undefined;
  if (isIPv4(address) && Number(bits) <= 32) return `${ipaddr.IPv4.networkAddressFromCIDR(text).toString()}/${bits}`;
  if (!isIPv6(address) || Number(bits) > 128 || ipaddr.IPv6.parse(address).isIPv4MappedAddress()) return undefined;
  return `${ipaddr.IPv6.networkAddressFromCIDR(text).toRFC5952String()}/${bits}`;
}

/** @param range CIDR; an IPv4 address that came as IPv6 is compared as IPv4 */
export function inRange(address: string | undefined, range: string): boolean {
  if (!address || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  const [network, bits] = ipaddr.parseCIDR(range);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}

/** Whether every address of `inner` is in `outer`, both CIDR. */
export function rangeWithin(inner: string, outer: string): boolean {
  const [network, bits] = ipaddr.parseCIDR(inner);
  const [around, least] = ipaddr.parseCIDR(outer);
  return network.kind() === around.kind() && bits >= least && network.match(around, least);
}
