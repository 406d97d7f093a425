import { LRUCache } from 'lru-cache';
import type { Tenant } from './tenant.js';

/** Port: where tenants are looked up. The tenant slice implements it. */
export abstract class TenantDirectory {
  /** Any status; undefined when no tenant has this slug. */
  abstract findBySlug(slug: string): Promise<Tenant | undefined>;
  /** False while changes made elsewhere might not reach this process; the cache is bypassed then. */
  abstract get live(): boolean;
  /** `undefined` means: anything may have changed. */
  abstract onChange(listener: (slugs: string[] | undefined) => void): void;
}

const ABSENT = Symbol('absent');

/** Bounded, negative entries included. A fill that raced a change is dropped. */
export class TenantCache {
  private readonly entries: LRUCache<string, Tenant | typeof ABSENT>;
  private readonly inFlight = new Map<string, Promise<Tenant | undefined>>();
  private generation = 0;

  constructor(
    private readonly directory: TenantDirectory,
    max: number,
  ) {
    this.entries = new LRUCache({ max });
    directory.onChange((slugs) => this.invalidate(slugs));
  }

  /** Synchronous when warm, so that a warm look-up costs no turn of the event loop. */
  find(slug: string): Tenant | undefined | Promise<Tenant | undefined> {
    if (!this.directory.live) return this.directory.findBySlug(slug);
    const entry = this.entries.get(slug);
    if (entry === ABSENT) return undefined;
    return entry ?? this.fill(slug);
  }

  private fill(slug: string): Promise<Tenant | undefined> {
    const running = this.inFlight.get(slug);
    if (running) return running;
    const generation = this.generation;
    const lookup = this.directory
      .findBySlug(slug)
      .then((tenant) => {
        if (generation === this.generation) this.entries.set(slug, tenant ?? ABSENT);
        return tenant;
      })
      .finally(() => this.inFlight.delete(slug));
    this.inFlight.set(slug, lookup);
    return lookup;
  }

  private invalidate(slugs: string[] | undefined): void {
    this.generation += 1;
    this.inFlight.clear();
    if (slugs) for (const slug of slugs) this.entries.delete(slug);
    else this.entries.clear();
  }
}
