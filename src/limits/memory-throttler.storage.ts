import type { OnModuleDestroy } from '@nestjs/common';
import { type LimitPolicy, LimitStorage, type LimitVerdict, wholeSeconds } from './limit.storage.js';
import { SlidingWindow } from './sliding-window.js';

/** Settings of {@link MemoryThrottlerStorage}. */
export interface MemoryThrottlerStorageOptions {
  /** Most keys held at once (default 1,000,000). */
  maxKeys?: number;
  /** Milliseconds between two looks for idle keys (default 1,000); each looks at a tenth of the keys. */
  sweepIntervalMs?: number;
  /** Monotonic clock in milliseconds (default `performance.now`). */
  now?: () => number;
}

/** What was counted of a key. */
export interface CountedHits {
  readonly key: string;
  readonly windowMs: number;
  /** By tick; one that lies ahead has an age below 0. */
  readonly hits: readonly { readonly ageMs: number; readonly count: number }[];
}

const SWEEP_AT_LEAST = 10_000;
const LOOK_AT_WHEN_FULL = 64;

/**
 * Counts hits in this process with one {@link SlidingWindow} per key. Memory is bounded: idle keys are swept,
 * and when the map is full a new key displaces an idle one if the next few looked at include one, else the one of
 * them that would have become idle soonest.
 */
export class MemoryThrottlerStorage extends LimitStorage implements OnModuleDestroy {
  private readonly windows = new Map<string, SlidingWindow>();
  private readonly maxKeys: number;
  private readonly sweepIntervalMs: number;
  private readonly now: () => number;
  private cursor = this.windows.entries();
  private timer?: NodeJS.Timeout;

  constructor(options: MemoryThrottlerStorageOptions = {}) {
    super();
    this.maxKeys = Math.max(1, options.maxKeys ?? 1_000_000);
    this.sweepIntervalMs = options.sweepIntervalMs ?? 1_000;
    this.now = options.now ?? (() => performance.now());
  }

  /** Keys held at the moment. */
  get size(): number {
    return this.windows.size;
  }

  /** @param among how many share each quota; what may be used up here is one part of so many, and at least 1 request */
  override consume(policies: readonly LimitPolicy[], among = 1): LimitVerdict {
    const now = this.now();
    let accepted = true;
    const limits = policies.map(({ quota }) => (among === 1 ? quota : Math.max(1, Math.floor(quota / among))));
    const windows = policies.map((policy, i) => {
      const window = this.windowOf(policy, now);
      if (!window.hasRoom(now, limits[i] as number)) accepted = false;
      return window;
    });
    const standings = windows.map((window, i) => {
      const limit = limits[i] as number;
      const { quota } = policies[i] as LimitPolicy;
      const { accepted: room, used, resetMs } = accepted ? window.hit(now, limit, quota) : window.look(now, limit);
      const resetSeconds = wholeSeconds(resetMs, window.windowMs);
      return { refused: !room, used, remaining: Math.max(0, limit - used), resetSeconds };
    });
    return { accepted, standings };
  }

  /** Counts a request that was let through elsewhere. */
  record(policies: readonly LimitPolicy[]): void {
    const now = this.now();
    for (const policy of policies) this.windowOf(policy, now).record(now, policy.quota);
  }

  /** All hits at ticks from one moment until before another, by the storage's clock. */
  *hitsBetween(fromMs: number, untilMs: number): Iterable<CountedHits> {
    for (const [key, window] of this.windows) {
      const entries = window.entriesBetween(fromMs, untilMs);
      if (entries.length === 0) continue;
      const now = this.now();
      yield { key, windowMs: window.windowMs, hits: entries.map(({ tick, count }) => ({ ageMs: now - tick, count })) };
    }
  }

  /** Drops idle keys; looks at no more than `most` keys and goes on from there the next time. */
  sweep(most = Math.max(SWEEP_AT_LEAST, Math.ceil(this.windows.size / 10))): void {
    const now = this.now();
    for (let looked = Math.min(most, this.windows.size); looked > 0 && this.windows.size > 0; looked--) {
      const [key, window] = this.next();
      if (window.emptyAtMs <= now) this.windows.delete(key);
    }
    if (this.windows.size === 0) this.stop();
  }

  /** Stops the sweep and forgets every key. */
  onModuleDestroy(): void {
    this.stop();
    this.windows.clear();
  }

  private windowOf({ key, windowMs }: LimitPolicy, now: number): SlidingWindow {
    let window = this.windows.get(key);
    if (window === undefined) {
      window = new SlidingWindow(windowMs);
      if (this.windows.size >= this.maxKeys) this.makeRoom(now);
      this.windows.set(key, window);
      this.timer ??= setInterval(() => this.sweep(), this.sweepIntervalMs).unref();
    } else if (window.windowMs !== windowMs) {
      window.resize(windowMs);
    }
    return window;
  }

  private makeRoom(now: number): void {
    let victim: string | undefined;
    let soonest = Infinity;
    for (let looked = Math.min(LOOK_AT_WHEN_FULL, this.windows.size); looked > 0 && soonest > now; looked--) {
      const [key, window] = this.next();
      if (window.emptyAtMs < soonest) {
        victim = key;
        soonest = window.emptyAtMs;
      }
    }
    if (victim !== undefined) this.windows.delete(victim);
  }

  /** The next key in turn, starting over at the end; the map must not be empty. */
  private next(): [string, SlidingWindow] {
    let step = this.cursor.next();
    if (step.done) {
      this.cursor = this.windows.entries();
      step = this.cursor.next();
    }
    return step.value as [string, SlidingWindow];
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
