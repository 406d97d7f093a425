/** What became of one hit on a {@link SlidingWindow}. */
export interface SlidingWindowHit {
  /** Whether the hit was let through (and therefore counted). */
  accepted: boolean;
  /** Accepted hits inside the window, this one included. */
  used: number;
  /** Milliseconds until a slot frees when none is left; otherwise until the oldest hit leaves. Always above 0. */
  resetMs: number;
}

/** Hits that share an entry. */
export interface SlidingWindowEntry {
  /** In milliseconds, of the clock of `hit`; up to a tick later than they were. */
  tick: number;
  count: number;
}

/** Up to this limit every millisecond has an entry of its own; above, hits share entries to bound memory. */
const EXACT_UP_TO = 1_000;
/** Entries that a window of a large limit is divided into: a hit leaves late by less than 0.4 % of the window. */
const DIVISIONS = 256;

/**
 * A sliding log: no half-open window of `windowMs` milliseconds, wherever it starts, ever holds more accepted hits than
 * the limit. There is no fixed boundary around which twice the limit could pass.
 *
 * Hits of the same tick share one entry. A tick is a millisecond up to a limit of 1,000, and a 256th of the window above,
 * so at most about 1,000 entries are alive whatever the limit. A hit is entered at its time rounded up to the tick, which
 * makes it leave up to a tick late and never early.
 */
export class SlidingWindow {
  private width: number;
  // A ring of (tick, count) entries, oldest at `head`.
  private ticks: number[] = [0];
  private counts: number[] = [0];
  private head = 0;
  private entries = 0;
  private total = 0;
  private clock = -Infinity;

  /** @param windowMs width of the window in milliseconds, above 0; a fraction is rounded up. */
  constructor(windowMs: number) {
    this.width = wholeWidth(windowMs);
  }

  /** Width of the window in milliseconds. */
  get windowMs(): number {
    return this.width;
  }

  /** Entries alive in the ring: a measure of memory, not of hits. */
  get entryCount(): number {
    return this.entries;
  }

  /** The moment (ms, same clock as `hit`) from which the window is empty; -Infinity if it never accepted a hit. */
  get emptyAtMs(): number {
    return this.entries === 0 ? -Infinity : (this.ticks[this.slot(this.entries - 1)] as number) + this.width;
  }

  /**
   * Changes the width, keeping the hits still known: a changed policy must not hand out a fresh quota.
   * @param windowMs new width in milliseconds, above 0.
   */
  resize(windowMs: number): void {
    this.width = wholeWidth(windowMs);
  }

  /**
   * Asks for one slot. Refused hits are not counted, so a client that keeps trying is let in as soon as a slot frees.
   * @param nowMs current time in milliseconds; a clock that goes backwards is held at its latest reading.
   * @param limit hits allowed per window; it may differ from call to call.
   * @param quota what the limit is a share of, if it is one: it says how wide ticks are.
   */
  hit(nowMs: number, limit: number, quota = limit): SlidingWindowHit {
    const accepted = this.hasRoom(nowMs, limit);
    if (accepted) this.add(this.tickOf(this.clock, quota));
    return { accepted, used: this.total, resetMs: this.resetMs(this.clock, limit) };
  }

  /** Counts a hit that was accepted elsewhere, whether or not there is room. */
  record(nowMs: number, limit: number): void {
    this.hasRoom(nowMs, limit);
    this.add(this.tickOf(this.clock, limit));
  }

  /** Whether a hit would be accepted; takes no slot. */
  hasRoom(nowMs: number, limit: number): boolean {
    if (nowMs > this.clock) this.clock = nowMs;
    this.expire(this.clock);
    return this.total < limit;
  }

  /** How the window stands, without a hit; `accepted` tells whether one would be. */
  look(nowMs: number, limit: number): SlidingWindowHit {
    const accepted = this.hasRoom(nowMs, limit);
    return { accepted, used: this.total, resetMs: this.resetMs(this.clock, limit) };
  }

  /** Entries with ticks from one moment until before another, oldest first. */
  entriesBetween(fromMs: number, untilMs: number): SlidingWindowEntry[] {
    const found: SlidingWindowEntry[] = [];
    for (let i = this.entries - 1; i >= 0; i--) {
      const at = this.slot(i);
      const tick = this.ticks[at] as number;
      if (tick < fromMs) break;
      if (tick < untilMs) found.push({ tick, count: this.counts[at] as number });
    }
    return found.reverse();
  }

  private tickOf(now: number, limit: number): number {
    const grain = limit > EXACT_UP_TO ? Math.max(1, Math.floor(this.width / DIVISIONS)) : 1;
    const tick = Math.ceil(now / grain) * grain;
    // Ticks stay in order when a lowered limit makes them finer.
    return this.entries === 0 ? tick : Math.max(tick, this.ticks[this.slot(this.entries - 1)] as number);
  }

  private expire(now: number): void {
    while (this.entries > 0 && (this.ticks[this.head] as number) + this.width <= now) {
      this.total -= this.counts[this.head] as number;
      this.head = this.slot(1);
      this.entries--;
    }
  }

  private add(tick: number): void {
    this.total++;
    if (this.entries > 0) {
      const newest = this.slot(this.entries - 1);
      if (this.ticks[newest] === tick) {
        this.counts[newest] = (this.counts[newest] as number) + 1;
        return;
      }
    }
    if (this.entries === this.ticks.length) this.grow();
    const next = this.slot(this.entries++);
    this.ticks[next] = tick;
    this.counts[next] = 1;
  }

  private resetMs(now: number, limit: number): number {
    // No wait helps when nothing is allowed (or nothing is in the way): name the whole window.
    if (!(limit > 0) || this.entries === 0) return this.width;
    // Usually 1; more after the limit has been lowered below what is in use.
    let mustLeave = Math.max(1, Math.floor(this.total - limit) + 1);
    let i = 0;
    while (i < this.entries - 1 && (mustLeave -= this.counts[this.slot(i)] as number) > 0) i++;
    return (this.ticks[this.slot(i)] as number) + this.width - now;
  }

  private slot(offset: number): number {
    const index = this.head + offset;
    return index < this.ticks.length ? index : index - this.ticks.length;
  }

  private grow(): void {
    const capacity = Math.max(this.entries + 1, Math.min(this.entries * 2, this.width + 1));
    const ticks = new Array<number>(capacity).fill(0);
    const counts = new Array<number>(capacity).fill(0);
    for (let i = 0; i < this.entries; i++) {
      const from = this.slot(i);
      ticks[i] = this.ticks[from] as number;
      counts[i] = this.counts[from] as number;
    }
    this.ticks = ticks;
    this.counts = counts;
    this.head = 0;
  }
}

function wholeWidth(windowMs: number): number {
  if (!(windowMs > 0) || !Number.isFinite(windowMs)) {
    throw new RangeError(`A window must be a positive number of milliseconds, got ${windowMs}.`);
  }
  return Math.ceil(windowMs);
}
