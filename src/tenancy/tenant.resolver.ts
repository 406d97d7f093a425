import type { IncomingMessage } from 'node:http';
import type { Resolution } from './tenancy.store.js';
import type { LiveCache } from './live.cache.js';
import type { Tenant } from './tenant.js';

export const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** What a strategy may look at. `host` is already chosen between Host and a trusted X-Forwarded-Host. */
export interface Signals {
  host: string | undefined;
  pathSlug: string | undefined;
  headers: IncomingMessage['headers'];
  body: unknown;
}

/** Reads one signal. Returns the slug it names (any text: a bad one is an unknown tenant), or undefined if absent. */
export interface ResolutionStrategy {
  readonly name: string;
  read(signals: Signals): string | undefined;
}

/** `acme.localhost:8001` with base domain `localhost` names acme. Deeper or foreign hosts name nobody. */
export function subdomainStrategy(baseDomain: string): ResolutionStrategy {
  const suffix = `.${baseDomain}`;
  return {
    name: 'subdomain',
    read({ host }) {
      if (!host) return undefined;
      const bare = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
      return bare.endsWith(suffix) ? bare.slice(0, -suffix.length) : undefined;
    },
  };
}

export const pathPrefixStrategy: ResolutionStrategy = { name: 'path', read: ({ pathSlug }) => pathSlug };

export const headerStrategy: ResolutionStrategy = {
  name: 'header',
  read({ headers }) {
    const value = headers['x-tenant-id'];
    return typeof value === 'string' ? value : undefined;
  },
};

/** The demo's contract: `tenant_id` in the body of the visitor routes, which is where the middleware passes a body. */
export const bodyStrategy: ResolutionStrategy = {
  name: 'body',
  read({ body }) {
    const value = (body as { tenant_id?: unknown } | undefined)?.tenant_id;
    return typeof value === 'string' ? value : undefined;
  },
};

/** Turns a request into a tenant. All strategies are asked; those that answer must agree. */
export class TenantResolver {
  constructor(
    private readonly strategies: readonly ResolutionStrategy[],
    private readonly cache: LiveCache<Tenant>,
  ) {}

  resolve(signals: Signals): Resolution | Promise<Resolution> {
    let slug: string | undefined;
    for (const strategy of this.strategies) {
      const named = strategy.read(signals);
      if (named === undefined) continue;
      if (slug !== undefined && slug !== named) return { kind: 'refused', reason: 'disagreeing' };
      slug = named;
    }
    if (slug === undefined) return { kind: 'none' };
    if (!SLUG.test(slug)) return { kind: 'refused', reason: 'unknown' };
    const found = this.cache.find(slug);
    return found instanceof Promise ? found.then(outcome) : outcome(found);
  }
}

function outcome(tenant: Tenant | undefined): Resolution {
  if (!tenant) return { kind: 'refused', reason: 'unknown' };
  return tenant.status === 'active' ? { kind: 'tenant', tenant } : { kind: 'refused', reason: 'inactive' };
}
