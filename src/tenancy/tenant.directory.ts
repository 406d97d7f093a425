import type { EntityManager } from 'typeorm';
import type { ChangeSource } from './live.cache.js';
import type { Placement, Tenant } from './tenant.js';

/** A tenant whose rows are not in the shared tables of the control plane's server. */
export interface OwnPlace {
  readonly tenantId: string;
  readonly placement: Placement;
}

/** Port: where tenants are looked up. The tenant slice implements it. */
export abstract class TenantDirectory implements ChangeSource {
  /** Any status; undefined when no tenant has this slug. */
  abstract findBySlug(slug: string): Promise<Tenant | undefined>;
  /**
   * Any status; undefined when there is no such tenant.
   *
   * @param within the transaction of the platform's that it is asked in, which must not wait for another connection
   */
  abstract findById(id: string, within?: Pick<EntityManager, 'query'>): Promise<Tenant | undefined>;
  /** Active tenants in the order of their ids, from behind `after`. */
  abstract activeIds(after: string, limit: number): Promise<string[]>;
  /**
   * Tenants whose rows are not in the shared tables of the control plane's server, in the order of their ids.
   *
   * @param after the one to start behind
   */
  abstract placedElsewhere(after: string | undefined, limit: number): Promise<OwnPlace[]>;
  abstract get live(): boolean;
  abstract onChange(listener: (slugs: string[] | undefined) => void): void;
}

/** A tenant and the slug under which it is to be found. */
export interface TenantReference {
  readonly tenantId: string;
  readonly slug: string;
}

/** Port: whose own domain a name is. The tenant slice implements it. */
export abstract class DomainDirectory implements ChangeSource {
  /** @returns undefined unless a tenant has proven that the domain is its own */
  abstract findByDomain(domain: string): Promise<TenantReference | undefined>;
  abstract get live(): boolean;
  abstract onChange(listener: (domains: string[] | undefined) => void): void;
}
