/** A value as JSON, and as of which generation of its tenant it was asked for. */
export interface CacheEntry {
  readonly text: string;
  /** Undefined: stored whatever was deleted meanwhile. */
  readonly generation?: string | undefined;
}

/** As Keyv hands it on. */
export interface StoredEntry {
  value?: CacheEntry;
  /** In ms since the epoch. */
  expires?: number | undefined;
}

/** A store adapter of Keyv that keeps tenants apart, each within its bounds. Keys are those of `cacheKey`. */
export interface CacheStore {
  /** Tells Keyv that `set` is given a moment, not a duration. */
  readonly capabilities: { readonly expires: true };
  get(key: string): Promise<StoredEntry | undefined>;
  /** @returns false when it does not fit, or something of the tenant was deleted since its generation */
  set(key: string, entry: StoredEntry, expires: number): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  /** Of every tenant that this process alone holds something of. */
  clear(): Promise<void>;
  /** Another after every deletion that any process made; undefined where only this process deletes. */
  generation(tenantId: string): Promise<string | undefined>;
  /** Everything of the tenant. */
  forget(tenantId: string): Promise<void>;
}
