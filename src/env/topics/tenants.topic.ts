import { Resolver } from 'node:dns';
import type { EnvReader, Variable } from '../env.reader.js';

const TENANT_STRATEGIES = ['domain', 'subdomain', 'path', 'header', 'token', 'api-key', 'body'] as const;
export type TenantStrategy = (typeof TENANT_STRATEGIES)[number];

/** How tenants are named and found, and for how long what is past is kept. */
export interface TenantsEnv {
  baseDomain: string;
  /** How a request names its tenant, in the order in which it is asked. */
  tenantStrategies: TenantStrategy[];
  /** Unset: those of the machine. */
  dnsServers: string[] | undefined;
  tenantCacheSize: number;
  /** How long a renamed tenant's old slug leads to the new one, in days. */
  slugRedirectDays: number;
  /** How long after the request to delete it an archived tenant can still be restored, in days. */
  tenantDeletionGraceDays: number;
  /** How long the platform's own audit events are kept, in days. */
  auditRetentionDays: number;
}

export const TENANTS_VARIABLES: readonly Variable[] = [
  {
    name: 'BASE_DOMAIN',
    example: 'localhost',
    allowed: 'a domain name',
    about: '<slug>.BASE_DOMAIN reaches that tenant',
  },
  {
    name: 'TENANT_STRATEGIES',
    example: TENANT_STRATEGIES.join(','),
    allowed: `some of ${TENANT_STRATEGIES.join(', ')}, comma-separated`,
    about: 'how a request may name its tenant, in the order in which they are asked; those that answer must agree',
  },
  {
    name: 'DNS_SERVERS',
    example: '',
    allowed: 'comma-separated addresses, each with an optional port, such as 9.9.9.9,[2620:fe::fe]:53',
    about: "who is asked for the proofs of custom domains; unset: the machine's own resolvers",
  },
  {
    name: 'TENANT_CACHE_SIZE',
    example: '250000',
    allowed: 'an integer from 1 to 10000000',
    about: 'entries of the in-process tenant look-up cache',
  },
  {
    name: 'SLUG_REDIRECT_DAYS',
    example: '90',
    allowed: 'an integer from 0 to 3650',
    about: "days for which a renamed tenant's old slug leads to the new one",
  },
  {
    name: 'TENANT_DELETION_GRACE_DAYS',
    example: '30',
    allowed: 'an integer from 0 to 3650',
    about: 'days for which an archived tenant can still be restored after it was asked to be deleted',
  },
  {
    name: 'AUDIT_RETENTION_DAYS',
    example: '730',
    allowed: 'an integer from 30 to 3650',
    about: "days the platform's audit events are kept; a tenant's own follow its setting audit.retention_days",
  },
];

export function readTenants(from: EnvReader): TenantsEnv {
  const baseDomain = (from.text('BASE_DOMAIN') ?? 'localhost').toLowerCase();
  if (!/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(baseDomain)) {
    from.wrong('BASE_DOMAIN');
  }
  const strategies = from.list('TENANT_STRATEGIES') as TenantStrategy[];
  const doubled = new Set(strategies).size !== strategies.length;
  if (doubled || strategies.some((name) => !TENANT_STRATEGIES.includes(name))) from.wrong('TENANT_STRATEGIES');
  const dnsServers = from.list('DNS_SERVERS');
  if (!areDnsServers(dnsServers)) from.wrong('DNS_SERVERS');
  return {
    baseDomain,
    tenantStrategies: strategies.length > 0 ? strategies : [...TENANT_STRATEGIES],
    dnsServers: dnsServers.length > 0 ? dnsServers : undefined,
    tenantCacheSize: from.integer('TENANT_CACHE_SIZE', 250_000, 1, 10_000_000),
    slugRedirectDays: from.integer('SLUG_REDIRECT_DAYS', 90, 0, 3650),
    tenantDeletionGraceDays: from.integer('TENANT_DELETION_GRACE_DAYS', 30, 0, 3650),
    auditRetentionDays: from.integer('AUDIT_RETENTION_DAYS', 730, 30, 3650),
  };
}

function areDnsServers(servers: string[]): boolean {
  try {
    new Resolver().setServers(servers);
    return true;
  } catch {
    return false;
  }
}
