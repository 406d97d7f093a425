import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { machineHas } from '../../test/kit/needs.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../../test/kit/test-redis.js';
import { type LimitPolicy, type LimitStorage, MemoryThrottlerStorage, RedisThrottlerStorage } from './index.js';

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
        remaining: quota - log.length,
        resetSeconds: Math.max(1, Math.ceil(resetMs / 1000)),
      };
    });
    return { accepted, standings };
  }
}

/** A storage under a clock that the test sets. */
interface Stage {
  /** Those that share counts: one, or one of each process. */
  storages: LimitStorage[];
  /** Sets the clock of the counts, in ms, to one that it has not been at before. */
  at: (ms: number) => Promise<void>;
  close: () => Promise<void>;
}

type Kind = 'memory' | 'redis';

const program = findRedis();
const kinds: Kind[] = machineHas(program, REDIS_HINT) ? ['memory', 'redis'] : ['memory'];

let redis: TestRedis | undefined;
beforeAll(async () => {
  // One node with all slots refuses keys of different slots as any cluster does.
  if (program) redis = await startRedis(program, { cluster: true });
});
afterAll(() => redis?.stop());

/** The script as it is, with a clock that is set in place of Redis's own, which no test can hold. */
class ClockedRedis {
  now = 0;

  constructor(readonly client: Redis) {}

  get asRedis(): Redis {
    const run = (script: string, count: number, ...rest: (string | number)[]) => {
      const us = Math.round(this.now * 1000);
      const set = `local time = { '${Math.floor(us / 1e6)}', '${us % 1e6}' }`;
      const clocked = script.replace("local time = redis.call('TIME')", set);
      if (clocked === script) throw new Error('the script takes its time from elsewhere');
      return this.client.eval(clocked, count, ...rest);
    };
    return { evalsha: () => Promise.reject(new Error('NOSCRIPT')), eval: run } as unknown as Redis;
  }
}

let runs = 0;

async function stage(kind: Kind, processes = 1): Promise<Stage> {
  if (kind === 'memory') {
    let now = 0;
    const storage = new MemoryThrottlerStorage({ now: () => now });
    return {
      storages: [storage],
      at: (ms) => Promise.resolve(void (now = ms)),
      close: () => Promise.resolve(storage.onModuleDestroy()),
    };
  }
  const clients = Array.from({ length: processes }, () => new ClockedRedis(new Redis(redis!.url)));
  await clients[0]!.client.flushall();
  return {
    storages: clients.map((one) => new RedisThrottlerStorage(one.asRedis)),
    // Far from 0, as the time of day is.
    at: (ms) => Promise.resolve(clients.forEach((one) => (one.now = 1.7e12 + ms))),
    close: async () => {
      for (const { client } of clients) await client.quit();
    },
  };
}

const policy = fc.record({
  key: fc.constantFrom('{t:1}:a', '{t:1}:b', '{t:1}:c'),
  quota: fc.integer({ min: 1, max: 6 }),
  windowMs: fc.integer({ min: 1, max: 3000 }),
});
const requests = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 900 }),
    fc.uniqueArray(policy, { minLength: 1, maxLength: 3, selector: ({ key }) => key }),
    fc.nat(1),
  ),
  { maxLength: 60 },
);

describe.each(kinds)('a limit storage in %s', (kind) => {
  it('draws on all policies of a request or on none, like a naive log of each, whoever of two asks', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (sequence) => {
        const { storages, at, close } = await stage(kind, 2);
        let now = 0;
        const naive = new NaiveStorage();
        // A key's quota and window stay as they were first named: what a change does is told elsewhere.
        const fixed = new Map<string, LimitPolicy>();
        try {
          for (const [gap, named, who] of sequence) {
            await at((now += gap));
            const policies = named.map((one) => fixed.get(one.key) ?? (fixed.set(one.key, one), one));
            const storage = storages[who % storages.length]!;
            expect(await storage.consume(policies)).toEqual(naive.consume(now, policies));
          }
        } finally {
          await close();
        }
      }),
      { numRuns: kind === 'memory' ? 100 : 25 },
    );
  });

  it('is a storage of the throttler with one policy', async () => {
    const { storages, at, close } = await stage(kind);
    const storage = storages[0]!;
    const policies = [
      { key: '{t:1}:tight', quota: 1, windowMs: 10_000 },
      { key: '{t:1}:wide', quota: 100, windowMs: 60_000 },
    ];
    await at(0);
    expect((await storage.consume(policies)).accepted).toBe(true);
    await at(1000);
    expect(await storage.consume(policies)).toEqual({
      accepted: false,
      standings: [
        { refused: true, used: 1, remaining: 0, resetSeconds: 9 },
        { refused: false, used: 1, remaining: 99, resetSeconds: 59 },
      ],
    });
    const hit = await storage.increment('{t:1}:wide', 60_000, 100, 0, 'x');
    expect(hit).toEqual({ totalHits: 2, timeToExpire: 59, isBlocked: false, timeToBlockExpire: 0 });
    await close();
  });

  it('is at most one per cent short above a quota of 1,000, never over, in few entries', async () => {
    const { storages, at, close } = await stage(kind);
    const [quota, windowMs] = [1001, 10_000];
    const passed: number[] = [];
    // Twice what is allowed, for three windows.
    for (let n = 0; n < 6000; n += 1) {
      const now = n * 5;
      await at(now);
      const verdict = await storages[0]!.consume([{ key: '{t:1}:large', quota, windowMs }]);
      if (verdict.accepted) passed.push(now);
    }
    for (let i = quota; i < passed.length; i += 1) {
      expect(passed[i]! - passed[i - quota]!).toBeGreaterThanOrEqual(windowMs);
    }
    expect(passed.length).toBeGreaterThanOrEqual(3 * quota * 0.99);
    if (kind === 'redis') {
      const client = new Redis(redis!.url);
      expect(await client.llen('{t:1}:large')).toBeLessThanOrEqual(258);
      expect(await client.pttl('{t:1}:large')).toBeLessThanOrEqual(windowMs + windowMs / 256);
      await client.quit();
    }
    await close();
  });
});

describe.runIf(kinds.includes('redis'))('counts in Redis', () => {
  const fresh = (quota: number, windowMs: number) => [{ key: `{t:${(runs += 1)}}:limit:x`, quota, windowMs }];
  const twoProcesses = () => [new Redis(redis!.url), new Redis(redis!.url)] as const;

  it('decide like those in memory whatever quota, width and fraction of a millisecond, also when they change', async () => {
    const step = fc.record({
      gap: fc.integer({ min: 0, max: 400_000 }),
      quota: fc.constantFrom(1, 2, 5, 999, 1000, 1001, 5000),
      windowMs: fc.constantFrom(50, 255, 256, 1000, 4000),
      hits: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const [one, other] = [await stage('redis'), await stage('memory')];
        let us = 0;
        let coarse = false;
        try {
          for (const { gap, quota, windowMs, hits } of steps) {
            us += gap;
            // Ticks of a large quota lie a little ahead; a small one after it lets them leave sooner, but never early.
            if (coarse && quota <= 1000) break;
            coarse = quota > 1000;
            await Promise.all([one.at(us / 1000), other.at(1.7e12 + us / 1000)]);
            for (let n = 0; n < hits; n += 1) {
              const policies = [{ key: '{t:1}:k', quota, windowMs }];
              expect(await one.storages[0]!.consume(policies)).toEqual(await other.storages[0]!.consume(policies));
            }
          }
        } finally {
          await Promise.all([one.close(), other.close()]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('let exactly the quota of two processes through that ask at once', async () => {
    const clients = twoProcesses();
    const policies = fresh(100, 60_000);
    const asked = clients.flatMap((client) => {
      const storage = new RedisThrottlerStorage(client);
      return Array.from({ length: 150 }, () => storage.consume(policies));
    });
    const verdicts = await Promise.all(asked);
    expect(verdicts.filter(({ accepted }) => accepted)).toHaveLength(100);
    for (const client of clients) await client.quit();
  });

  it('do not heed the clocks of processes, which may be hours apart', async () => {
    const clients = twoProcesses();
    const policies = fresh(3, 60_000);
    const now = Date.now;
    try {
      const accepted: boolean[] = [];
      for (let n = 0; n < 6; n += 1) {
        const skew = n % 2 === 0 ? 7_200_000 : -7_200_000;
        Date.now = () => now() + skew;
        const storage = new RedisThrottlerStorage(clients[n % 2]!);
        accepted.push((await storage.consume(policies)).accepted);
      }
      expect(accepted).toEqual([true, true, true, false, false, false]);
    } finally {
      Date.now = now;
      for (const client of clients) await client.quit();
    }
  });

  it("never let more through in a window, and hold nobody for longer than one, when Redis's own clock goes back", async () => {
    const moves = fc.array(fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 5000 })), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(moves, fc.integer({ min: 1, max: 5 }), async (sequence, quota) => {
        const { storages, at, close } = await stage('redis');
        const policies = [{ key: '{t:1}:back', quota, windowMs: 1000 }];
        const passed: number[] = [];
        let [now, behind] = [0, 0];
        for (const [gap, back] of sequence) {
          now += gap;
          // It goes back now and then, and never forward by itself.
          if (back > 4000) behind += back;
          await at(now - behind);
          const { accepted, standings } = await storages[0]!.consume(policies);
          if (accepted) passed.push(now);
          expect(standings[0]!.resetSeconds).toBeLessThanOrEqual(1);
        }
        for (let i = quota; i < passed.length; i += 1) {
          expect(passed[i]! - passed[i - quota]!).toBeGreaterThanOrEqual(1000);
        }
        await close();
      }),
      { numRuns: 25 },
    );
  });

  it('go on when Redis has forgotten the script, and are gone when the window is over', async () => {
    const client = new Redis(redis!.url);
    const storage = new RedisThrottlerStorage(client);
    const policies = fresh(2, 50);
    const { key } = policies[0]!;
    await storage.consume(policies);
    await client.script('FLUSH');
    expect((await storage.consume(policies)).accepted).toBe(true);
    await expect.poll(() => client.exists(key)).toBe(0);
    await client.quit();
  });

  it('take one round trip for all policies of a request', async () => {
    const client = new Redis(redis!.url);
    const storage = new RedisThrottlerStorage(client);
    const policies = ['a', 'b', 'c'].map((name) => ({ key: `{t:${runs}}:limit:${name}`, quota: 5, windowMs: 1000 }));
    await storage.consume(policies);
    const calls = async () => {
      const stats = await client.info('commandstats');
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
    };
    const before = await calls();
    await storage.consume(policies);
    expect((await calls()) - before).toBe(1);
    await client.quit();
  });

  it('are refused, and counted nowhere, when the keys of a request would lie in several slots', async () => {
    const client = new Redis(redis!.url);
    const storage = new RedisThrottlerStorage(client);
    const policies = [fresh(1, 1000)[0]!, fresh(1, 1000)[0]!];
    await expect(storage.consume(policies)).rejects.toThrow('slot');
    await client.quit();
  });
});
