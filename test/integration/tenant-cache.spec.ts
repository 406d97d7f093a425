import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CACHE_MAX_BYTES, type CacheNamespace, TenantCache } from '../../src/cache/index.js';
import { RedisConnection } from '../../src/redis/index.js';
import { type Tenant, TenantContextMissing, TenantRunner } from '../../src/tenancy/index.js';
import { TenantErasure } from '../../src/tenant/index.js';
import { machineHas } from '../kit/needs.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../kit/test-redis.js';

const HOUR = 3_600_000;
const program = findRedis();
const stores = machineHas(program, REDIS_HINT) ? (['memory', 'redis'] as const) : (['memory'] as const);

describe.each(stores)('the cache in %s', (store) => {
  let t: TestApp;
  let redis: TestRedis | undefined;
  let acme: Tenant;
  let globex: Tenant;
  let cache: TenantCache;
  let pets: CacheNamespace;
  const as = <T>(tenant: Tenant, fn: () => T): T => t.app.get(TenantRunner).run(tenant, fn);
  beforeAll(async () => {
    if (store === 'redis') redis = await startRedis(program ?? '');
    t = await createTestApp(redis ? { REDIS_URL: redis.url } : {});
    await t.app.get(RedisConnection).settled();
    [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
    cache = t.app.get(TenantCache);
    pets = cache.of('pets');
  });
  afterAll(async () => {
    await t?.close();
    await redis?.stop();
  });
  beforeEach(async () => {
    for (const tenant of [acme, globex]) await as(tenant, () => cache.clear());
  });

  it('keeps tenants and namespaces apart', async () => {
    await as(acme, () => pets.set('a', { name: 'Rex' }, HOUR));
    expect(await as(acme, () => pets.get('a'))).toEqual({ name: 'Rex' });
    expect(await as(globex, () => pets.get('a'))).toBeUndefined();
    expect(await as(acme, () => cache.of('cars').get('a'))).toBeUndefined();
    await as(globex, () => pets.delete('a'));
    await as(globex, () => cache.clear());
    expect(await as(acme, () => pets.get('a'))).toEqual({ name: 'Rex' });
    await as(acme, () => pets.delete('a'));
    expect(await as(acme, () => pets.get('a'))).toBeUndefined();
  });

  it('makes a value once for a hundred who ask at once, each tenant its own', async () => {
    let made = 0;
    const make = () => Promise.resolve({ made: ++made });
    const ask = (tenant: Tenant) => as(tenant, () => pets.wrap('w', HOUR, make));
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(acme)));
    expect(answers).toEqual(answers.map(() => ({ made: 1 })));
    expect(await ask(acme)).toEqual({ made: 1 });
    expect(await ask(globex)).toEqual({ made: 2 });
  });

  it('fails all who wait when making it fails, and tries again for the next', async () => {
    const fail = () => Promise.reject(new Error('no pets'));
    const asked = Array.from({ length: 5 }, () => as(acme, () => pets.wrap('f', HOUR, fail)));
    for (const { status } of await Promise.allSettled(asked)) expect(status).toBe('rejected');
    expect(await as(acme, () => pets.wrap('f', HOUR, () => 'Rex'))).toBe('Rex');
    expect(await as(acme, () => pets.wrap('u', HOUR, () => undefined))).toBeUndefined();
    expect(await as(acme, () => pets.wrap('u', HOUR, () => 'now'))).toBe('now');
  });

  it.each(['delete', 'clear'] as const)('does not keep what was made while a %s came', async (how) => {
    const old = await as(acme, () =>
      pets.wrap('r', HOUR, async () => {
        await (how === 'delete' ? pets.delete('r') : cache.clear());
        return 'old';
      }),
    );
    expect(old).toBe('old');
    expect(await as(acme, () => pets.get('r'))).toBeUndefined();
  });

  it('forgets in time', async () => {
    await as(acme, () => pets.set('t', 1, 60));
    await expect.poll(() => as(acme, () => pets.get('t'))).toBeUndefined();
    for (const ttl of [0, -1, NaN, 86_400_001]) {
      await expect(as(acme, () => pets.set('t', 1, ttl))).rejects.toThrow(RangeError);
    }
  });

  it("gives up a tenant's own entries when it is full, the unused first, and nobody else's", async () => {
    await as(acme, () => pets.set('kept', 'acme', HOUR));
    const big = 'x'.repeat(CACHE_MAX_BYTES.default / 8);
    await as(globex, async () => {
      for (let index = 0; index < 20; index += 1) {
        await pets.set(`big-${index}`, big, HOUR);
        expect(await pets.get('big-0')).toBe(big);
      }
      const there = await Promise.all(Array.from({ length: 20 }, (_, index) => pets.get(`big-${index}`)));
      expect(there.filter((value) => value !== undefined)).toHaveLength(7);
      expect(there[1]).toBeUndefined();
      await pets.set('too-big', big.repeat(9), HOUR);
      expect(await pets.get('too-big')).toBeUndefined();
    });
    expect(await as(acme, () => pets.get('kept'))).toBe('acme');
  });

  it('throws where no tenant is in scope', async () => {
    await expect(pets.get('a')).rejects.toThrow(TenantContextMissing);
    await expect(pets.wrap('a', HOUR, () => 1)).rejects.toThrow(TenantContextMissing);
    await expect(cache.clear()).rejects.toThrow(TenantContextMissing);
  });

  it.runIf(store === 'memory')('forgets what acme has when acme is changed, and nothing of globex', async () => {
    for (const tenant of [acme, globex]) await as(tenant, () => pets.set('c', tenant.slug, HOUR));
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'acme')`);
    await expect.poll(() => as(acme, () => pets.get('c'))).toBeUndefined();
    expect(await as(globex, () => pets.get('c'))).toBe('globex');
  });

  it('forgets a tenant that is erased', async () => {
    await as(globex, () => pets.set('e', 1, HOUR));
    await as(acme, () => pets.set('e', 1, HOUR));
    await t.app.get(TenantErasure).erase(globex.id, { stays: true });
    expect(await as(globex, () => pets.get('e'))).toBeUndefined();
    expect(await as(acme, () => pets.get('e'))).toBe(1);
  });

  it.runIf(store === 'redis')(
    'holds nothing while Redis is away, fails nobody, and deletes later what it was to',
    async () => {
      const connection = t.app.get(RedisConnection);
      await as(acme, () => pets.set('k', 'old', HOUR));
      redis?.freeze();
      await as(acme, () => pets.delete('k'));
      expect(await as(acme, () => pets.wrap('k', HOUR, () => 'new'))).toBe('new');
      redis?.thaw();
      await expect.poll(() => as(acme, () => pets.get('k'))).not.toBe('old');
      await redis?.kill();
      await expect.poll(() => connection.up).toBe(false);
      expect(await as(acme, () => pets.wrap('k', HOUR, () => 'made'))).toBe('made');
      await as(acme, () => pets.set('k', 1, HOUR));
      await as(acme, () => cache.clear());
      await redis?.restart();
      await expect.poll(() => connection.up).toBe(true);
      expect(await as(acme, () => pets.wrap('k', HOUR, () => 'again'))).toBe('again');
      expect(await as(acme, () => pets.get('k'))).toBe('again');
    },
  );
});
