import ipaddr from 'ipaddr.js';
import type { EnvReader, Variable } from '../env.reader.js';

/** Where connections go whose address a tenant sets. */
export interface OutboundEnv {
  /** Networks that are let through besides the public ones, as CIDRs. */
  outboundAllow: string[];
}

export const OUTBOUND_VARIABLES: readonly Variable[] = [
  {
    name: 'OUTBOUND_ALLOW',
    example: '',
    allowed: 'networks such as 10.1.0.0/16,fd00::/8, separated by commas',
    about:
      'networks that addresses set by tenants may lead to, besides the public ones; every tenant reaches them then',
  },
];

export function readOutbound(from: EnvReader): OutboundEnv {
  const outboundAllow = from.list('OUTBOUND_ALLOW');
  if (!outboundAllow.every((network) => ipaddr.isValidCIDR(network))) from.wrong('OUTBOUND_ALLOW');
  return { outboundAllow };
}
