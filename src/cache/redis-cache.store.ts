import type { Redis } from 'ioredis';
import type { RedisConnection } from '../redis/index.js';
import { partsOf } from './cache.key.js';
import { MAX_ENTRIES } from './cache.settings.js';
import type { CacheStore, StoredEntry } from './cache.store.js';
import { CLEAR, DELETE, GET, SET } from './redis-cache.scripts.js';

/** Of a tenant, in one slot of a cluster: what it holds, when each was used and is over, bytes of all, generation. */
const KEPT = ['values', 'used', 'expires', 'bytes', 'generation'] as const;

/** Entries in Redis, for all processes. Every step is one script, so that bounds hold whoever else writes. */
export class RedisCacheStore implements CacheStore {
  readonly capabilities = { expires: true } as const;
  /** Of which something was to be deleted while Redis did not answer: nothing of theirs is believed until it is. */
  private readonly owed = new Set<string>();

  /**
   * @param maxBytes of the current tenant
   */
  constructor(
    private readonly client: Redis,
    connection: RedisConnection,
    private readonly maxBytes: () => number,
  ) {
    connection.onChange((up) => {
      // What fails again stays owed.
      if (up) for (const tenant of this.owed) this.forget(tenant).catch(() => undefined);
    });
  }

  async get(key: string): Promise<StoredEntry | undefined> {
    const { tenant, field } = partsOf(key);
    await this.pay(tenant);
    const text = await this.run(GET, tenant, field);
    return typeof text === 'string' ? { value: { text } } : undefined;
  }

  async set(key: string, { value }: StoredEntry, expires: number): Promise<boolean> {
    const { tenant, field } = partsOf(key);
    const ttl = Math.ceil(expires - Date.now());
    if (!value || ttl <= 0) return false;
    await this.pay(tenant);
    const { text, generation = '' } = value;
    return (await this.run(SET, tenant, field, text, ttl, this.maxBytes(), MAX_ENTRIES, generation)) === 1;
  }

  async delete(key: string): Promise<boolean> {
    const { tenant, field } = partsOf(key);
    return this.owing(tenant, async () => (await this.run(DELETE, tenant, field)) === 1);
  }

  /** Nothing is held by the process. */
  clear(): Promise<void> {
    return Promise.resolve();
  }

  async generation(tenantId: string): Promise<string> {
    return (await this.client.get(keysOf(tenantId)[4] as string)) ?? '0';
  }

  async forget(tenantId: string): Promise<void> {
    await this.owing(tenantId, () => this.run(CLEAR, tenantId));
    this.owed.delete(tenantId);
  }

  private async owing<T>(tenant: string, deletion: () => Promise<T>): Promise<T> {
    try {
      return await deletion();
    } catch (error) {
      this.owed.add(tenant);
      throw error;
    }
  }

  private async pay(tenant: string): Promise<void> {
    if (this.owed.has(tenant)) await this.forget(tenant);
  }

  private run(script: string, tenant: string, ...args: (string | number)[]): Promise<unknown> {
    return this.client.eval(script, KEPT.length, ...keysOf(tenant), ...args);
  }
}

function keysOf(tenant: string): string[] {
  return KEPT.map((name) => `t:{${tenant}}:${name}`);
}
