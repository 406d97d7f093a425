import { Injectable } from '@nestjs/common';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import { Counter, Gauge } from 'prom-client';
import { MetricsService } from '../metrics/index.js';
import { RedisConnection } from '../redis/index.js';
import { TenantSettings } from '../settings/index.js';
import { TenantContext, TenantDirectory } from '../tenancy/index.js';
import { CacheNamespace, type CacheInside, type Fill } from './cache.namespace.js';
import { CACHE_MAX_BYTES } from './cache.settings.js';
import type { CacheEntry, CacheStore } from './cache.store.js';
import { MemoryCacheStore } from './memory-cache.store.js';
import { RedisCacheStore } from './redis-cache.store.js';

/** Tenants that one process holds entries of; times `cache.max_bytes` it is what they may take of its memory. */
const MAX_TENANTS = 200;

/**
 * What a tenant's modules computed and may use again for a while: in the memory of each process, or with REDIS_URL in
 * Redis for all of them. It may forget anything at any time, and with Redis away it holds nothing. In memory, what another
 * process deletes is not heard of: an entry is as old as its time to live allows. So never decide by it who may do what.
 */
@Injectable()
export class TenantCache {
  private readonly keyv: Keyv<CacheEntry>;
  private readonly store: CacheStore;
  private readonly fills = new Map<string, Fill>();
  private readonly reads: Counter;
  /** Of tenants that have used the cache of this process, by slug. */
  private readonly ids = new LRUCache<string, string>({ max: 10 * MAX_TENANTS });

  constructor(
    private readonly context: TenantContext,
    settings: TenantSettings,
    private readonly redis: RedisConnection,
    directory: TenantDirectory,
    metrics: MetricsService,
  ) {
    const maxBytes = (): number => settings.get(CACHE_MAX_BYTES);
    if (redis.client) {
      this.store = new RedisCacheStore(redis.client, redis, maxBytes);
    } else {
      const memory = new MemoryCacheStore(maxBytes, MAX_TENANTS);
      this.store = memory;
      // Nor told whether it is one that was erased: entries are cheap to make again.
      directory.onChange((slugs) => this.heard(memory, slugs));
      measure(memory, metrics);
    }
    // Values are text already, and what Keyv would do to its own envelope cost every read.
    this.keyv = new Keyv<CacheEntry>({ store: this.store, serialization: false });
    // Keyv answers as if nothing were there; the connection has said that Redis is away.
    this.keyv.on('error', () => this.reads.inc({ result: 'failed' }));
    this.reads = new Counter({
      name: 'tenantry_cache_operations_total',
      help: 'Look-ups in the cache that found something (hit) or nothing (miss), and operations that its store failed.',
      labelNames: ['result'],
      registers: [metrics.registry],
    });
  }

  /** @param namespace of the module: its keys are nobody else's */
  of(namespace: string): CacheNamespace {
    const inside: CacheInside = {
      keyv: this.keyv,
      fills: this.fills,
      tenantId: () => this.tenantId(),
      generation: (tenantId) => this.store.generation(tenantId),
      count: (hit) => this.reads.inc({ result: hit ? 'hit' : 'miss' }),
    };
    return new CacheNamespace(namespace, inside);
  }

  /**
   * Everything of the current tenant, whatever its namespace. Never fails: while Redis is away, it is done when it returns.
   *
   * @throws TenantContextMissing outside a tenant scope
   */
  async clear(): Promise<void> {
    const id = this.tenantId();
    this.dropFills(`t:${id}:`);
    await this.store.forget(id).catch(() => this.reads.inc({ result: 'failed' }));
  }

  /**
   * Everything of a tenant that is erased.
   *
   * @throws Error when Redis is away, so that the erasure is tried again
   */
  async forget(tenantId: string): Promise<void> {
    this.dropFills(`t:${tenantId}:`);
    await this.redis.settled();
    await this.store.forget(tenantId);
  }

  private tenantId(): string {
    const { id, slug } = this.context.currentOrThrow('The cache');
    this.ids.set(slug, id);
    return id;
  }

  /** Whose slug is not known here has nothing here: more of them are remembered than tenants are held. */
  private heard(memory: MemoryCacheStore, slugs: string[] | undefined): void {
    if (!slugs) {
      this.dropFills('t:');
      return void memory.clear();
    }
    for (const slug of slugs) {
      const id = this.ids.get(slug);
      if (id === undefined) continue;
      this.dropFills(`t:${id}:`);
      void memory.forget(id);
    }
  }

  private dropFills(prefix: string): void {
    for (const [key, fill] of this.fills) {
      if (!key.startsWith(prefix)) continue;
      fill.dropped = true;
      this.fills.delete(key);
    }
  }
}

function measure(memory: MemoryCacheStore, metrics: MetricsService): void {
  for (const what of ['bytes', 'entries', 'tenants'] as const) {
    new Gauge({
      name: `tenantry_cache_${what}`,
      help: `What the cache in the memory of this process holds: ${what}.`,
      registers: [metrics.registry],
      collect() {
        this.set(memory.size[what]);
      },
    });
  }
}
