import type { IncomingMessage } from 'node:http';
import type { CredentialReader } from './credential.reader.js';
import type { DomainPolicy } from './domain-name.js';

/** The names that TENANT_STRATEGIES knows. */
export type StrategyName = 'domain' | 'subdomain' | 'path' | 'header' | 'token' | 'api-key' | 'body';

/** What a strategy may look at. `host` is already chosen between Host and a trusted X-Forwarded-Host. */
export interface Signals {
  host: string | undefined;
  pathSlug: string | undefined;
  headers: IncomingMessage['headers'];
  body: unknown;
  refreshToken: string | undefined;
}

/** Reads one signal by which a client names a tenant: any text, a bad one is an unknown tenant; undefined if absent. */
export interface NamingStrategy {
  readonly name: StrategyName;
  readonly reads: 'slug' | 'domain';
  read(signals: Signals): string | undefined;
}

/** Reads the tenant's id out of a credential that proves itself. */
export interface CredentialStrategy {
  readonly name: StrategyName;
  readonly reads: 'credential';
  read(signals: Signals): string | undefined | Promise<string | undefined>;
}

export type ResolutionStrategy = NamingStrategy | CredentialStrategy;

/** A host that could be a tenant's own domain names it, known or not; any other host names nobody here. */
export function domainStrategy(policy: DomainPolicy): NamingStrategy {
  return { name: 'domain', reads: 'domain', read: ({ host }) => (host ? policy.read(host).domain : undefined) };
}

/** `acme.localhost:8001` with base domain `localhost` names acme. Deeper hosts name nobody that there is. */
export function subdomainStrategy(baseDomain: string): NamingStrategy {
  const suffix = `.${baseDomain}`;
  return {
    name: 'subdomain',
    reads: 'slug',
    read({ host }) {
      if (!host) return undefined;
      const bare = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
      return bare.endsWith(suffix) ? bare.slice(0, -suffix.length) : undefined;
    },
  };
}

export const pathPrefixStrategy: NamingStrategy = { name: 'path', reads: 'slug', read: ({ pathSlug }) => pathSlug };

export const headerStrategy: NamingStrategy = {
  name: 'header',
  reads: 'slug',
  read({ headers }) {
    const value = headers['x-tenant-id'];
    return typeof value === 'string' ? value : undefined;
  },
};

/** The demo's contract: `tenant_id` in the body of the visitor routes, which is where the middleware passes a body. */
export const bodyStrategy: NamingStrategy = {
  name: 'body',
  reads: 'slug',
  read({ body }) {
    const value = (body as { tenant_id?: unknown } | undefined)?.tenant_id;
    return typeof value === 'string' ? value : undefined;
  },
};

export function tokenStrategy(reader: CredentialReader): CredentialStrategy {
  return {
    name: 'token',
    reads: 'credential',
    read: ({ headers, refreshToken }) => reader.tenantOfToken({ authorization: headers.authorization, refreshToken }),
  };
}

export function apiKeyStrategy(reader: CredentialReader): CredentialStrategy {
  return {
    name: 'api-key',
    reads: 'credential',
    read: ({ headers, refreshToken }) => reader.tenantOfApiKey({ authorization: headers.authorization, refreshToken }),
  };
}

/** The strategies of those names, in that order. */
export function strategiesOf(
  names: readonly StrategyName[],
  baseDomain: string,
  policy: DomainPolicy,
  reader: CredentialReader,
): ResolutionStrategy[] {
  const all: Record<StrategyName, ResolutionStrategy> = {
    domain: domainStrategy(policy),
    subdomain: subdomainStrategy(baseDomain),
    path: pathPrefixStrategy,
    header: headerStrategy,
    token: tokenStrategy(reader),
    'api-key': apiKeyStrategy(reader),
    body: bodyStrategy,
  };
  return names.map((name) => all[name]);
}
