import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LimitPolicy, MemoryThrottlerStorage } from './index.js';

/** What a storage must do: all policies or none, each an exact log. */
class NaiveStorage {
  private readonly logs = new Map<string, number[]>();

  consume(now: number, policies: readonly LimitPolicy[]): { accepted: boolean; standings: unknown[] } {
    const logs = policies.map(({ key, windowMs }) => {
      const log = (this.logs.get(key) ?? []).filter((at) => now - at < windowMs);
      this.logs.set(key, log);
      return log;
    });
    const rooms = policies.map(({ quota }, i) => logs[i]!.length < quota);
    const accepted = rooms.every(Boolean);
    if (accepted) for (const log of logs) log.push(now);
    const standings = policies.map(({ quota, windowMs }, i) => {
      const log = logs[i]!;
      const resetMs = log.length === 0 ? windowMs : log[Math.max(0, log.length - quota)]! + windowMs - now;
      return {
        refused: !accepted && !rooms[i],
        used: log.length,
        resetSeconds: Math.max(1, Math.ceil(resetMs / 1000)),
      };
    });
    return { accepted, standings };
  }
}

const policy = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  quota: fc.integer({ min: 1, max: 6 }),
  windowMs: fc.integer({ min: 1, max: 3000 }),
});
const requests = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 900 }),
    fc.uniqueArray(policy, { minLength: 1, maxLength: 3, selector: ({ key }) => key }),
  ),
  { maxLength: 60 },
);

describe('a limit storage in process', () => {
  it('draws on all policies of a request or on none, like a naive log of each', () => {
    fc.assert(
      fc.property(requests, (sequence) => {
        let now = 0;
        const storage = new MemoryThrottlerStorage({ now: () => now });
        const naive = new NaiveStorage();
        // A key's quota and window stay as they were first named: what a change does is told elsewhere.
        const fixed = new Map<string, LimitPolicy>();
        for (const [gap, named] of sequence) {
          now += gap;
          const policies = named.map((one) => fixed.get(one.key) ?? (fixed.set(one.key, one), one));
          expect(storage.consume(policies)).toEqual(naive.consume(now, policies));
        }
        storage.onModuleDestroy();
      }),
    );
  });

  it('is a storage of the throttler with one policy', async () => {
    let now = 0;
    const storage = new MemoryThrottlerStorage({ now: () => now });
    const policies = [
      { key: 'tight', quota: 1, windowMs: 10_000 },
      { key: 'wide', quota: 100, windowMs: 60_000 },
    ];
    expect(storage.consume(policies).accepted).toBe(true);
    now = 1000;
    expect(storage.consume(policies)).toEqual({
      accepted: false,
      standings: [
        { refused: true, used: 1, resetSeconds: 9 },
        { refused: false, used: 1, resetSeconds: 59 },
      ],
    });
    const hit = await storage.increment('wide', 60_000, 100, 0, 'x');
    expect(hit).toEqual({ totalHits: 2, timeToExpire: 59, isBlocked: false, timeToBlockExpire: 0 });
    storage.onModuleDestroy();
  });
});
