import { getStorageToken } from '@nestjs/throttler';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MetricsService } from '../../src/metrics/index.js';
import type { SharedLimitStorage } from '../../src/limits/index.js';
import { TenantLookUp } from '../../src/tenancy/index.js';
import { machineHas } from '../kit/needs.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../kit/test-redis.js';

const program = findRedis();

describe.runIf(machineHas(program, REDIS_HINT))('two processes that share a Redis', () => {
  let redis: TestRedis;
  let operator: Redis;
  /** Counts by itself while Redis is away. */
  let t: TestApp;
  /** A process of its own, which lets nothing through then. */
  let closed: TestProcess;
  let storage: SharedLimitStorage;
  beforeAll(async () => {
    redis = await startRedis(program ?? '');
    t = await createTestApp({ REDIS_URL: redis.url });
    storage = t.app.get(getStorageToken());
    const { masterKey, dataDir } = t.database.env;
    closed = await startProcess({
      ROLE: 'api',
      DATABASE_URL: t.database.adminUrl,
      MASTER_KEY: masterKey,
      DATA_DIR: dataDir,
      DEMO: 'on',
      REDIS_URL: redis.url,
      LIMITS_ON_STORE_FAILURE: 'closed',
    });
    operator = new Redis(redis.url, { retryStrategy: () => 100 });
    operator.on('error', () => undefined);
  });
  beforeEach(async () => {
    await together();
  });
  afterAll(async () => {
    closed?.child.kill('SIGTERM');
    await closed?.exited;
    await t?.close();
    operator?.disconnect();
    await redis?.stop();
  });

  /** @returns how many visits were let through until both processes had heard of it */
  async function set(slug: string, settings: Record<string, unknown>): Promise<number> {
    let visits = 0;
    const text = JSON.stringify(settings);
    await t.database.admin('UPDATE platform.tenants SET settings = settings || $1::jsonb WHERE slug = $2', [
      text,
      slug,
    ]);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect.poll(async () => (await t.app.get(TenantLookUp).bySlug(slug))?.settings).toMatchObject(settings);
    const quota = async () => {
      const { status, headers } = await visit(closed.port, slug);
      if (status === 201) visits += 1;
      return headers.get('ratelimit-policy');
    };
    await expect.poll(quota).toContain(`q=${settings['limits.requests_per_hour'] as number};w=3600`);
    return visits;
  }
  const visit = (port: number, slug: string) =>
    fetch(`http://127.0.0.1:${port}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tenant_id: slug }),
    });
  const statuses = async (port: number, slug: string, times: number): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: times }, () => visit(port, slug)));
    return answers.map(({ status }) => status);
  };
  const ready = async (port: number) => {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    return { status: answer.status, text: await answer.text() };
  };
  const together = async (): Promise<void> => {
    await expect.poll(() => storage.state).toBe('shared');
    await expect.poll(async () => (await ready(closed.port)).text).toContain('"limits":"shared"');
  };
  const fallbacks = async (): Promise<number> => {
    const registered = t.app.get(MetricsService).registry.getSingleMetric('tenantry_limits_fallbacks_total');
    return (await registered?.get())?.values[0]?.value ?? 0;
  };
  const said = (text: string): number => t.logs.filter((line) => line.includes(text)).length;
  const NO_SHARE = { 'limits.reserved_for_users_percent': 0, 'limits.visitor_address_per_10s': 1_000_000 };

  it('let exactly the quota of acme through, whichever it is asked of', async () => {
    await set('acme', { ...NO_SHARE, 'limits.requests_per_hour': 30 });
    // On a machine that makes Redis late the processes count by themselves, which is told of elsewhere.
    for (let fallen = -1; fallen !== (await fallbacks());) {
      await together();
      fallen = await fallbacks();
      await operator.flushall();
      const all = (await Promise.all([t.port, closed.port].map((port) => statuses(port, 'acme', 40)))).flat();
      if (fallen !== (await fallbacks()) || all.includes(503)) {
        fallen = -1;
        continue;
      }
      expect(all.filter((status) => status === 201)).toHaveLength(30);
      expect(all.filter((status) => status === 429)).toHaveLength(50);
    }
  });

  it('fail no request of one that counts by itself while Redis dies, hangs and returns under load, say so once each', async () => {
    await set('globex', { ...NO_SHARE, 'limits.requests_per_hour': 1_000_000 });
    await together();
    const [before, gone, back] = [await fallbacks(), said('Redis does not answer for limits'), said('limits again')];
    const seen = new Map<number, number>();
    let going = true;
    const load = Array.from({ length: 4 }, async () => {
      while (going) {
        const { status } = await visit(t.port, 'globex');
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
    });
    const outages: [() => unknown, () => unknown][] = [
      [() => redis.kill(), () => redis.restart()],
      [() => redis.freeze(), () => redis.thaw()],
    ];
    for (const [begin, end] of outages) {
      await begin();
      await expect.poll(() => storage.state).toBe('own');
      expect(await ready(t.port)).toMatchObject({ status: 200, text: expect.stringContaining('"limits":"own"') });
      const during = seen.get(201) ?? 0;
      await expect.poll(() => seen.get(201) ?? 0).toBeGreaterThan(during + 20);
      await end();
      await together();
    }
    going = false;
    await Promise.all(load);
    expect([...seen.keys()]).toEqual([201]);
    const outagesSeen = (await fallbacks()) - before;
    expect(outagesSeen).toBeGreaterThanOrEqual(2);
    expect(said('Redis does not answer for limits') - gone).toBe(outagesSeen);
    expect(said('limits again') - back).toBe(outagesSeen);
  });

  it('keep initech to the share of each while Redis is away, or to nothing, and count that afterwards', async () => {
    const visits = await set('initech', { ...NO_SHARE, 'limits.requests_per_hour': 40 });
    await expect.poll(() => storage.processes).toBe(2);
    await redis.kill();
    await expect.poll(() => storage.state).toBe('own');
    const alone = await statuses(t.port, 'initech', 23);
    expect(alone.filter((status) => status === 201)).toHaveLength(20);
    expect(alone.filter((status) => status === 429)).toHaveLength(3);
    await expect.poll(async () => (await ready(closed.port)).status).toBe(503);
    const refused = await visit(closed.port, 'initech');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await refused.json()).toMatchObject({ code: 'limits_unavailable' });
    expect((await fetch(`http://127.0.0.1:${closed.port}/health/live`)).status).toBe(200);
    await redis.restart();
    await together();
    const later = [...(await statuses(closed.port, 'initech', 15)), ...(await statuses(t.port, 'initech', 15))];
    expect(later.filter((status) => status === 201)).toHaveLength(20 - visits);
    expect(later.filter((status) => status === 429)).toHaveLength(10 + visits);
  });
});
