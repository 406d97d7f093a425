import type { CredentialStrategy, NamingStrategy, ResolutionStrategy, Signals } from './resolution.strategies.js';
import type { Resolution } from './tenancy.store.js';
import { chain, type TenantLookUp } from './tenant.look-up.js';
import type { Tenant } from './tenant.js';

export const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const NONE: Resolution = { kind: 'none' };
const DISAGREEING: Resolution = { kind: 'refused', reason: 'disagreeing' };

/**
 * Turns a request into a tenant. Every strategy by which a client names one is asked, and those that answer must agree.
 * Only when none does, the request is of the tenant whose credential it carries; otherwise the guard holds the credential
 * against the tenant that was named.
 */
export class TenantResolver {
  private readonly naming: readonly NamingStrategy[];
  private readonly credentials: readonly CredentialStrategy[];
  /** Whether a first path segment may name a tenant. */
  readonly readsPath: boolean;

  /** @param strategies in the order in which they are asked */
  constructor(
    strategies: readonly ResolutionStrategy[],
    private readonly tenants: TenantLookUp,
  ) {
    this.naming = strategies.filter((strategy) => strategy.reads !== 'credential');
    this.credentials = strategies.filter((strategy) => strategy.reads === 'credential');
    this.readsPath = this.naming.some(({ name }) => name === 'path');
  }

  resolve(signals: Signals): Resolution | Promise<Resolution> {
    return this.byNames(signals) ?? this.byCredential(signals, 0);
  }

  /**
   * The tenant that host, path or header names, as far as they can tell: what is not read yet may disagree. Nothing may
   * be served on this alone.
   */
  named(signals: Omit<Signals, 'body' | 'refreshToken'>): Tenant | undefined | Promise<Tenant | undefined> {
    const resolution = this.byNames({ ...signals, body: undefined, refreshToken: undefined });
    return resolution && chain(resolution, (found) => (found.kind === 'tenant' ? found.tenant : undefined));
  }

  /** @returns undefined when the request names no tenant */
  private byNames(signals: Signals): Resolution | Promise<Resolution> | undefined {
    let slug: string | undefined;
    let domain: string | undefined;
    for (const strategy of this.naming) {
      const named = strategy.read(signals);
      if (named === undefined) continue;
      if (strategy.reads === 'domain') domain = named;
      else if (slug !== undefined && slug !== named) return DISAGREEING;
      else slug = named;
    }
    if (slug !== undefined && !SLUG.test(slug)) return refused('unknown');
    if (domain !== undefined) return this.byDomain(domain, slug);
    return slug === undefined ? undefined : chain(this.tenants.bySlug(slug), outcome);
  }

  private byDomain(domain: string, slug: string | undefined): Resolution | Promise<Resolution> {
    return chain(this.tenants.byDomain(domain), (tenant) => {
      if (!tenant || slug === undefined) return outcome(tenant);
      return chain(this.tenants.bySlug(slug), (named) => (named?.id === tenant.id ? outcome(tenant) : DISAGREEING));
    });
  }

  private byCredential(signals: Signals, at: number): Resolution | Promise<Resolution> {
    const strategy = this.credentials[at];
    if (!strategy) return NONE;
    return chain(strategy.read(signals), (id) => {
      if (id === undefined) return this.byCredential(signals, at + 1);
      return chain(this.tenants.byId(id), (tenant): Resolution => ({ ...outcome(tenant), byCredential: true }));
    });
  }
}

/** A suspended tenant is named all the same: the guard says what is still open there, and to whom. */
function outcome(tenant: Tenant | undefined): Resolution & { kind: 'tenant' | 'refused' } {
  if (!tenant || (tenant.alias && tenant.alias.until <= Date.now())) return refused('unknown');
  const named = tenant.status === 'active' || tenant.status === 'suspended';
  return named ? { kind: 'tenant', tenant } : refused('inactive');
}

function refused(reason: 'unknown' | 'inactive'): Resolution & { kind: 'refused' } {
  return { kind: 'refused', reason };
}
