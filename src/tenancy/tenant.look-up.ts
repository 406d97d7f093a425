import { type ChangeSource, LiveCache } from './live.cache.js';
import type { Tenant } from './tenant.js';
import type { DomainDirectory, TenantDirectory, TenantReference } from './tenant.directory.js';

type Found<T> = T | undefined;
type Sooner<T> = Found<T> | Promise<Found<T>>;

/** `fn` at once when the value is there, so that a warm look-up costs no turn of the event loop. */
export function chain<T, R>(value: T | Promise<T>, fn: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(fn) : fn(value);
}

/**
 * Finds tenants by slug, id or domain, from bounded caches that changes in any process invalidate. There is one entry
 * per tenant; ids and domains lead to its slug, so that a change of the tenant has one place to be forgotten in.
 */
export class TenantLookUp {
  private readonly tenants: LiveCache<Tenant>;
  private readonly slugsById: LiveCache<TenantReference>;
  private readonly slugsByDomain: LiveCache<TenantReference>;

  /** @param max entries of each cache */
  constructor(directory: TenantDirectory, domains: DomainDirectory, max: number) {
    this.tenants = new LiveCache(directory, (slug) => directory.findBySlug(slug), max);
    this.slugsById = new LiveCache(anything(directory), (id) => referenceOf(directory, id), max);
    this.slugsByDomain = new LiveCache(domains, (domain) => domains.findByDomain(domain), max);
  }

  bySlug(slug: string): Sooner<Tenant> {
    return this.tenants.find(slug);
  }

  byId(id: string): Sooner<Tenant> {
    return this.follow(this.slugsById, id);
  }

  /** @param domain as {@link DomainPolicy} writes it */
  byDomain(domain: string): Sooner<Tenant> {
    return this.follow(this.slugsByDomain, domain);
  }

  private follow(references: LiveCache<TenantReference>, key: string): Sooner<Tenant> {
    return chain(references.find(key), (reference) =>
      chain(reference && this.tenants.find(reference.slug), (tenant) => {
        // An alias is for whoever says the old slug; an id or a domain means the tenant itself.
        if (!reference || (tenant?.id === reference.tenantId && !tenant.alias)) return tenant;
        // The tenant has another slug by now.
        references.invalidate([key]);
        return chain(references.find(key), (fresh) =>
          chain(fresh && this.tenants.find(fresh.slug), (renamed) =>
            renamed?.id === fresh?.tenantId ? renamed : undefined,
          ),
        );
      }),
    );
  }
}

/** A change of named slugs says nothing about ids, whose slug is checked at every use. */
function anything(directory: TenantDirectory): ChangeSource {
  return {
    get live() {
      return directory.live;
    },
    onChange: (listener) => directory.onChange((slugs) => slugs ?? listener(undefined)),
  };
}

async function referenceOf(directory: TenantDirectory, id: string): Promise<Found<TenantReference>> {
  const tenant = await directory.findById(id);
  return tenant && { tenantId: tenant.id, slug: tenant.slug };
}
