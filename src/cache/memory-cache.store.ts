import { partsOf } from './cache.key.js';
import { MAX_ENTRIES } from './cache.settings.js';
import type { CacheStore, StoredEntry } from './cache.store.js';

interface Held {
  text: string;
  bytes: number;
  /** In ms since the epoch. */
  expires: number;
}

interface TenantEntries {
  /** The longest unused first. */
  entries: Map<string, Held>;
  bytes: number;
  /** When the last of them is over, in ms since the epoch. */
  over: number;
}

/** Entries in the memory of the process. A tenant that is full loses its own that were unused for longest, never another's. */
export class MemoryCacheStore implements CacheStore {
  readonly capabilities = { expires: true } as const;
  /** The longest unused first. */
  private readonly tenants = new Map<string, TenantEntries>();

  /**
   * @param maxBytes of the current tenant
   * @param maxTenants held at most; with one more, one of which nothing is valid any more goes, else the longest unused
   */
  constructor(
    private readonly maxBytes: () => number,
    private readonly maxTenants: number,
  ) {}

  /** Of all tenants. */
  get size(): { bytes: number; entries: number; tenants: number } {
    const size = { bytes: 0, entries: 0, tenants: this.tenants.size };
    for (const { bytes, entries } of this.tenants.values()) {
      size.bytes += bytes;
      size.entries += entries.size;
    }
    return size;
  }

  get(key: string): Promise<StoredEntry | undefined> {
    const { tenant, field } = partsOf(key);
    const own = this.tenants.get(tenant);
    const held = own?.entries.get(field);
    if (!own || !held) return NOTHING;
    drop(own, field);
    if (held.expires <= Date.now()) return NOTHING;
    add(own, field, held);
    renew(this.tenants, tenant, own);
    return Promise.resolve({ value: { text: held.text }, expires: held.expires });
  }

  set(key: string, { value }: StoredEntry, expires: number): Promise<boolean> {
    const { tenant, field } = partsOf(key);
    const own = this.tenants.get(tenant) ?? this.admit(tenant);
    renew(this.tenants, tenant, own);
    drop(own, field);
    const text = value?.text ?? '';
    const bytes = Buffer.byteLength(field) + Buffer.byteLength(text);
    const max = this.maxBytes();
    if (bytes > max) return NO;
    add(own, field, { text, bytes, expires });
    if (own.bytes > max || own.entries.size > MAX_ENTRIES) {
      const now = Date.now();
      for (const [name, held] of own.entries) if (held.expires <= now) drop(own, name);
    }
    for (const oldest of own.entries.keys()) {
      if (own.bytes <= max && own.entries.size <= MAX_ENTRIES) break;
      drop(own, oldest);
    }
    return YES;
  }

  delete(key: string): Promise<boolean> {
    const { tenant, field } = partsOf(key);
    const own = this.tenants.get(tenant);
    return own && drop(own, field) ? YES : NO;
  }

  clear(): Promise<void> {
    this.tenants.clear();
    return DONE;
  }

  generation(): Promise<undefined> {
    return NOTHING;
  }

  forget(tenantId: string): Promise<void> {
    this.tenants.delete(tenantId);
    return DONE;
  }

  private admit(tenant: string): TenantEntries {
    if (this.tenants.size >= this.maxTenants) {
      const now = Date.now();
      let leaving: string | undefined;
      for (const [name, { over }] of this.tenants) {
        leaving ??= name;
        if (over > now) continue;
        leaving = name;
        break;
      }
      if (leaving !== undefined) this.tenants.delete(leaving);
    }
    const own = { entries: new Map<string, Held>(), bytes: 0, over: 0 };
    this.tenants.set(tenant, own);
    return own;
  }
}

const NOTHING = Promise.resolve(undefined);
const DONE = Promise.resolve();
const YES = Promise.resolve(true);
const NO = Promise.resolve(false);

function add(own: TenantEntries, field: string, held: Held): void {
  own.entries.set(field, held);
  own.bytes += held.bytes;
  own.over = Math.max(own.over, held.expires);
}

function drop(own: TenantEntries, field: string): boolean {
  const held = own.entries.get(field);
  if (!held) return false;
  own.bytes -= held.bytes;
  return own.entries.delete(field);
}

/** To the end of the map. */
function renew<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
}
