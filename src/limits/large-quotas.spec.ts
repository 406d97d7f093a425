import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingWindow } from './sliding-window.js';

/** What the window must do, without bounds on memory: every accepted hit on its own. */
class NaiveLog {
  private readonly log: number[] = [];
  private oldest = 0;

  constructor(
    private readonly windowMs: number,
    private readonly limit: number,
  ) {}

  hit(now: number): boolean {
    while (this.oldest < this.log.length && now - this.log[this.oldest]! >= this.windowMs) this.oldest++;
    if (this.log.length - this.oldest >= this.limit) return false;
    this.log.push(now);
    return true;
  }
}

describe('SlidingWindow with large limits', () => {
  it('decides like a naive log for every limit up to 1,000, and never lets more pass in any window above', () => {
    const limits = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1001, max: 3000 }));
    const bursts = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 800 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), limits, bursts, (windowMs, limit, sequence) => {
        const window = new SlidingWindow(windowMs);
        const exact = new NaiveLog(windowMs, limit);
        const passed: number[] = [];
        let now = 0;
        for (const [gap, hits] of sequence) {
          now += gap;
          for (let n = 0; n < hits; n++) {
            const { accepted } = window.hit(now, limit);
            if (limit <= 1000 && accepted !== exact.hit(now)) throw new Error(`differs at ${now}`);
            if (accepted) passed.push(now);
          }
          expect(window.entryCount).toBeLessThanOrEqual(1000);
        }
        for (let i = limit; i < passed.length; i++) {
          expect(passed[i]! - passed[i - limit]!).toBeGreaterThanOrEqual(windowMs);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('lets at least 99 % of what a naive log does pass above a limit of 1,000, when more is asked than allowed', () => {
    const limits = fc.integer({ min: 1001, max: 3000 });
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 60_000 }), limits, fc.nat(10_000), (windowMs, limit, start) => {
        const window = new SlidingWindow(windowMs);
        const exact = new NaiveLog(windowMs, limit);
        let [passed, allowed] = [0, 0];
        // Long enough that the part of a window in which the run happens to end weighs less than one per cent.
        for (let step = 0; step < 400 * 512; step++) {
          const now = start + Math.floor((step * windowMs) / 512);
          for (let n = 0; n < limit / 400; n++) {
            if (window.hit(now, limit).accepted) passed++;
            if (exact.hit(now)) allowed++;
          }
        }
        expect(passed).toBeGreaterThanOrEqual(allowed * 0.99);
        expect(passed).toBeLessThanOrEqual(allowed);
      }),
      { numRuns: 3 },
    );
  });

  it('holds 100,000 an hour in a few hundred entries', () => {
    const window = new SlidingWindow(3_600_000);
    let passed = 0;
    for (let n = 0; n < 100_000; n++) if (window.hit(n * 30, 100_000).accepted) passed++;
    expect(passed).toBe(100_000);
    expect(window.entryCount).toBeLessThanOrEqual(258);
  });

  it('keeps its hits in order when the limit is lowered under 1,000 and raised again', () => {
    const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.constantFrom(2, 5, 1500)), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(changes, (sequence) => {
        const window = new SlidingWindow(10_000);
        const passed: number[] = [];
        let now = 0;
        for (const [gap, limit] of sequence) {
          now += gap;
          if (!window.hit(now, limit).accepted) continue;
          passed.push(now);
          expect(passed.filter((at) => at > now - 10_000).length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });
});
