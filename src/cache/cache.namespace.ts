import type { Keyv } from 'keyv';
import { cacheKey } from './cache.key.js';
import type { CacheEntry } from './cache.store.js';

/** Longest time to live: a day, in ms. */
export const MAX_TTL_MS = 86_400_000;

/** A value that is being made. */
export interface Fill {
  /** As JSON; undefined when there is none. */
  text: Promise<string | undefined>;
  /** Its key was deleted or set meanwhile: whoever waits gets the value, and it is not kept. */
  dropped: boolean;
}

export interface CacheInside {
  readonly keyv: Keyv<CacheEntry>;
  readonly fills: Map<string, Fill>;
  /** @throws TenantContextMissing */
  tenantId(): string;
  generation(tenantId: string): Promise<string | undefined>;
  count(hit: boolean): void;
}

/**
 * The entries of one module for the current tenant. Values come back as JSON made them, a new object for each caller;
 * undefined is never kept. All methods throw TenantContextMissing outside a tenant scope, and none fails with its store.
 */
export class CacheNamespace {
  constructor(
    private readonly namespace: string,
    private readonly inside: CacheInside,
  ) {}

  /** @returns undefined when there is none, or not any more */
  async get<T>(key: string): Promise<T | undefined> {
    return parsed<T>(await this.read(this.fullKey(key)));
  }

  /**
   * @param ttlMs for how long, from 1 ms to a day
   * @throws RangeError for a time or key out of bounds; TypeError when it cannot be written as JSON
   */
  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    const full = this.fullKey(key);
    checkTtl(ttlMs);
    const text = written(value);
    if (text === undefined) return this.delete(key);
    this.drop(full);
    await this.inside.keyv.set(full, { text }, ttlMs);
  }

  async delete(key: string): Promise<void> {
    const full = this.fullKey(key);
    this.drop(full);
    await this.inside.keyv.delete(full);
  }

  /**
   * The value, made by `fn` where there is none. Within the process it is made once, however many ask for it at the same
   * time, in the scope of the first: `fn` must not depend on who calls. When it throws, all who wait get the error, and the
   * next call tries again. What is deleted while it is made is not kept.
   *
   * @param ttlMs for how long it is kept, from 1 ms to a day
   * @throws what `fn` throws; RangeError for a time or key out of bounds; TypeError when it cannot be written as JSON
   */
  async wrap<T>(key: string, ttlMs: number, fn: () => Promise<T> | T): Promise<T> {
    const full = this.fullKey(key);
    checkTtl(ttlMs);
    let fill = this.inside.fills.get(full);
    if (!fill) {
      const begun: Fill = { text: Promise.resolve(undefined), dropped: false };
      begun.text = this.fill(full, ttlMs, fn, begun).finally(() => {
        if (this.inside.fills.get(full) === begun) this.inside.fills.delete(full);
      });
      this.inside.fills.set(full, begun);
      fill = begun;
    }
    return parsed<T>(await fill.text) as T;
  }

  private async fill(full: string, ttlMs: number, fn: () => unknown, fill: Fill): Promise<string | undefined> {
    const { keyv } = this.inside;
    const known = await this.read(full);
    if (known !== undefined) return known;
    // Asked before the value is made: what is deleted from here on, by any process, is noticed when it is stored.
    const generation = await this.inside.generation(this.inside.tenantId()).catch(() => null);
    const text = written(await fn());
    if (text === undefined || fill.dropped || generation === null) return text;
    await keyv.set(full, { text, generation }, ttlMs);
    // Storing takes turns of the event loop, in which it may have been deleted.
    if (fill.dropped) await keyv.delete(full);
    return text;
  }

  private async read(full: string): Promise<string | undefined> {
    const entry = await this.inside.keyv.get(full);
    this.inside.count(entry !== undefined);
    return entry?.text;
  }

  private drop(full: string): void {
    const fill = this.inside.fills.get(full);
    if (!fill) return;
    fill.dropped = true;
    this.inside.fills.delete(full);
  }

  private fullKey(key: string): string {
    return cacheKey(this.inside.tenantId(), this.namespace, key);
  }
}

function parsed<T>(text: string | undefined): T | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

/** Undefined for what JSON has no word for: undefined, functions, symbols. */
function written(value: unknown): string | undefined {
  return JSON.stringify(value);
}

function checkTtl(ttlMs: number): void {
  if (ttlMs >= 1 && ttlMs <= MAX_TTL_MS) return;
  throw new RangeError(`An entry of the cache lives from 1 to ${MAX_TTL_MS} ms, not ${ttlMs}.`);
}
