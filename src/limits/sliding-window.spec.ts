import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { type ArgumentsHost, Catch, Controller, type ExceptionFilter, Get } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LimitedBy,
  type LimitedRoute,
  LimitExceeded,
  LimitsModule,
  limitsProviders,
  MemoryThrottlerStorage,
  SlidingWindow,
  TenantLimits,
} from './index.js';

const width = fc.integer({ min: 1, max: 40 });
const steps = fc.array(fc.integer({ min: -5, max: 15 }), { maxLength: 200 });

describe('SlidingWindow', () => {
  it('decides like a naive log, with any limit at any step and a clock that may go back', () => {
    const moves = fc.array(fc.tuple(fc.integer({ min: -5, max: 15 }), fc.integer({ min: 0, max: 8 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(width, moves, (windowMs, sequence) => {
        const window = new SlidingWindow(windowMs);
        let log: number[] = [];
        let raw = 100;
        let now = -Infinity;
        for (const [step, limit] of sequence) {
          raw += step;
          now = Math.max(now, raw);
          log = log.filter((at) => now - at < windowMs);
          const accepted = log.length < limit;
          if (accepted) log.push(now);
          const resetMs = limit === 0 ? windowMs : log[Math.max(0, log.length - limit)]! + windowMs - now;
          expect(window.hit(raw, limit)).toEqual({ accepted, used: log.length, resetMs });
          expect(window.entryCount).toBeLessThanOrEqual(windowMs);
        }
      }),
    );
  });

  it('never accepts more than the limit in any window, at fractional times, in bounded memory', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 7, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(width, fc.integer({ min: 1, max: 8 }), gaps, (windowMs, limit, sequence) => {
        const window = new SlidingWindow(windowMs);
        const accepted: number[] = [];
        let now = 0.5;
        for (const gap of sequence) {
          now += gap;
          if (window.hit(now, limit).accepted) accepted.push(now);
          expect(window.entryCount).toBeLessThanOrEqual(Math.min(limit, windowMs + 1));
        }
        for (const start of accepted) {
          expect(accepted.filter((at) => at >= start && at < start + windowMs).length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('keeps its promise: after resetMs a refused hit is let in, and not a millisecond sooner', () => {
    fc.assert(
      fc.property(width, fc.integer({ min: 1, max: 5 }), steps, (windowMs, limit, sequence) => {
        const window = new SlidingWindow(windowMs);
        let now = 0;
        for (const step of sequence) {
          now += Math.max(0, step);
          const hit = window.hit(now, limit);
          if (hit.accepted) continue;
          expect(window.hit(now + hit.resetMs - 1, limit).accepted).toBe(false);
          now += hit.resetMs;
          expect(window.hit(now, limit).accepted).toBe(true);
        }
      }),
    );
  });

  it('rejects a width that is not a positive number', () => {
    for (const bad of [0, -1, NaN, Infinity]) expect(() => new SlidingWindow(bad)).toThrow(RangeError);
  });
});

describe('MemoryThrottlerStorage', () => {
  it('rounds seconds up and keeps hits when the width changes', async () => {
    let now = 0;
    const storage = new MemoryThrottlerStorage({ now: () => now });
    const hit = (ttl: number) => storage.increment('k', ttl, 1, 0, 'x');
    expect(await hit(1500)).toEqual({ totalHits: 1, timeToExpire: 2, isBlocked: false, timeToBlockExpire: 0 });
    now = 1499;
    expect(await hit(1500)).toEqual({ totalHits: 1, timeToExpire: 1, isBlocked: true, timeToBlockExpire: 1 });
    expect(await hit(5000)).toMatchObject({ isBlocked: true, timeToBlockExpire: 4 });
    storage.onModuleDestroy();
  });

  it('is bounded, displaces idle keys first, and sweeps', async () => {
    let now = 0;
    const storage = new MemoryThrottlerStorage({ now: () => now, maxKeys: 3 });
    const hit = (key: string, ttl = 1000) => storage.increment(key, ttl, 1, 0, 'x');
    await hit('long', 60_000);
    await hit('short', 10);
    await hit('long too', 60_000);
    now = 20;
    await hit('new');
    expect(storage.size).toBe(3);
    expect((await hit('long', 60_000)).isBlocked).toBe(true);
    expect((await hit('long too', 60_000)).isBlocked).toBe(true);
    now = 2000;
    storage.sweep();
    expect(storage.size).toBe(2);
    for (let i = 0; i < 100; i++) await hit(`k${i}`);
    expect(storage.size).toBe(3);
    storage.onModuleDestroy();
    expect(storage.size).toBe(0);
  });
});

@Controller()
class Routes {
  @Get('chat')
  @LimitedBy('chat')
  chat() {
    return 'ok';
  }

  @Get('unlimited')
  @LimitedBy('other')
  unlimited() {
    return 'ok';
  }

  @Get('free')
  free() {
    return 'ok';
  }
}

class FixedLimits extends TenantLimits {
  policiesFor({ limit }: LimitedRoute) {
    if (limit !== 'chat') return [];
    const key = '{t:t1}:limit:chat';
    return [{ key, name: 'chat', label: 'chat_per_10s', whose: 'this tenant', quota: 2, windowMs: 10_000 }];
  }
}

@Catch(LimitExceeded)
class Problems implements ExceptionFilter {
  catch(error: LimitExceeded, host: ArgumentsHost) {
    const { code, message, remedy, status } = error;
    host.switchToHttp().getResponse().status(status).json({ code, message, remedy });
  }
}

describe('TenantLimitGuard', () => {
  it('limits marked routes, tells so in headers, and leaves the others alone', async () => {
    const module = await Test.createTestingModule({
      imports: [LimitsModule],
      controllers: [Routes],
      providers: [{ provide: TenantLimits, useClass: FixedLimits }, ...limitsProviders],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    app.useGlobalFilters(new Problems());
    await app.listen(0, '127.0.0.1');
    try {
      const { port } = app.getHttpServer().address() as AddressInfo;
      const get = (path: string) => fetch(`http://127.0.0.1:${port}/${path}`);
      const first = await get('chat');
      expect(first.status).toBe(200);
      expect(first.headers.get('ratelimit-policy')).toBe('"chat";q=2;w=10');
      expect(first.headers.get('ratelimit')).toBe('"chat";r=1;t=10');
      expect(first.headers.get('retry-after')).toBeNull();
      expect((await get('chat')).headers.get('x-ratelimit-remaining')).toBe('0');
      const refused = await get('chat');
      expect(refused.status).toBe(429);
      const wait = refused.headers.get('retry-after');
      expect(Number(wait)).toBeGreaterThanOrEqual(1);
      expect(refused.headers.get('ratelimit')).toBe(`"chat";r=0;t=${wait}`);
      expect(refused.headers.get('x-ratelimit-limit')).toBe('2');
      expect(refused.headers.get('x-ratelimit-reset')).toBe(wait);
      expect(await refused.json()).toEqual({
        code: 'rate_limited',
        message: 'Limit chat_per_10s of 2 exceeded for this tenant.',
        remedy: `Wait ${wait} seconds (see Retry-After) or ask for a higher limit.`,
      });
      for (const path of ['unlimited', 'free', 'free', 'free']) {
        const response = await get(path);
        expect(response.status).toBe(200);
        expect(response.headers.get('ratelimit')).toBeNull();
      }
    } finally {
      await app.close();
    }
  });
});
