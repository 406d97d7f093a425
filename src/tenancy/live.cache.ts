import { LRUCache } from 'lru-cache';

const ABSENT = Symbol('absent');

/** Hears of changes made by any process. */
export interface ChangeSource {
  /** False while changes made elsewhere might not reach this process; caches are bypassed then. */
  readonly live: boolean;
  /** `undefined` means: anything may have changed. */
  onChange(listener: (keys: string[] | undefined) => void): void;
}

interface Fill<V> {
  lookup: Promise<V | undefined>;
  began: number;
}

/** A bounded cache that changes made elsewhere invalidate; absent entries are cached too. A fill that raced a change is dropped. */
export class LiveCache<V extends object> {
  /** Made on first use: it takes room for `max` entries at once, which a command line never needs. */
  private entries: LRUCache<string, V | typeof ABSENT> | undefined;
  private readonly inFlight = new Map<string, Fill<V>>();
  private generation = 0;

  /**
   * @param max entries held at most
   * @param maxAgeOf how long an entry is believed whatever is heard of changes, in ms; asked at every fill, and undefined
   *   for one that may stay
   */
  constructor(
    private readonly source: ChangeSource,
    private readonly load: (key: string) => Promise<V | undefined>,
    private readonly max: number,
    private readonly maxAgeOf: (key: string) => number | undefined = () => undefined,
  ) {
    source.onChange((keys) => this.invalidate(keys));
  }

  /** Synchronous when warm, so that a warm look-up costs no turn of the event loop. */
  find(key: string): V | undefined | Promise<V | undefined> {
    if (!this.source.live) return this.load(key);
    const entry = this.entries?.get(key);
    if (entry === ABSENT) return undefined;
    return entry ?? this.fill(key);
  }

  /** @param keys what changed; a key ending in `*` means all that begin like it; undefined means everything */
  invalidate(keys: string[] | undefined): void {
    this.generation += 1;
    this.inFlight.clear();
    if (!this.entries) return;
    if (!keys) return this.entries.clear();
    for (const key of keys) {
      if (!key.endsWith('*')) this.entries.delete(key);
      else
        for (const held of [...this.entries.keys()]) if (held.startsWith(key.slice(0, -1))) this.entries.delete(held);
    }
  }

  private fill(key: string): Promise<V | undefined> {
    const maxAge = this.maxAgeOf(key);
    const now = maxAge === undefined ? 0 : performance.now();
    const running = this.inFlight.get(key);
    if (running && (maxAge === undefined || now - running.began < maxAge)) return running.lookup;
    const generation = this.generation;
    const lookup = this.load(key)
      .then((value) => {
        if (generation === this.generation) this.store(key, value ?? ABSENT, maxAge, now);
        return value;
      })
      .finally(() => {
        if (this.inFlight.get(key)?.lookup === lookup) this.inFlight.delete(key);
      });
    this.inFlight.set(key, { lookup, began: now });
    return lookup;
  }

  /** @param began when it was asked for: its age counts from before it was read */
  private store(key: string, entry: V | typeof ABSENT, maxAge: number | undefined, began: number): void {
    this.entries ??= new LRUCache({ max: this.max, perf: performance });
    if (maxAge === undefined) this.entries.set(key, entry);
    else this.entries.set(key, entry, { ttl: maxAge, start: began });
  }
}
