import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import { TenantBroker } from '../../src/broker/index.js';
import { ResourceUnavailable } from '../../src/resources/index.js';
import { TenantContext, TenantRunner } from '../../src/tenancy/index.js';
import { OrderFeed } from '../kit/example-broker.js';
import { machineHas } from '../kit/needs.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../kit/test-redis.js';

const program = findRedis();

describe.skipIf(!machineHas(program, REDIS_HINT))("a tenant's own Redis", () => {
  let t: TestApp;
  let first: TestRedis;
  let second: TestRedis;
  let acme: SignedIn;
  const set = async (value: string) => {
    const answer = await acme.send('PUT', '/api/config/broker.url', { value });
    expect(answer.status, answer.text).toBe(200);
  };
  const use = async <R>(fn: (redis: Redis) => Promise<R>, slug = 'acme') => {
    const tenant = await t.tenant(slug);
    return t.app.get(TenantRunner).run(tenant, () => t.app.get(TenantBroker).use(fn));
  };
  const check = async () => (await acme.send('POST', '/api/resources/broker/check')).json;
  const directly = async <R>({ url }: TestRedis, fn: (redis: Redis) => Promise<R>) => {
    const redis = new Redis(url);
    try {
      return await fn(redis);
    } finally {
      redis.disconnect();
    }
  };

  beforeAll(async () => {
    [first, second] = [await startRedis(program!), await startRedis(program!)];
    t = await createTestApp({ OUTBOUND_ALLOW: '127.0.0.1/32' });
    acme = await signIn(t, 'acme', 'owner');
  });
  beforeEach(() => set(first.url));
  afterAll(async () => {
    await t.close();
    await first.stop();
    await second.stop();
  });

  it('is what the module that docs/resources.md shows hands over to, where acme has one', async () => {
    const feed = new OrderFeed(t.app.get(TenantBroker), t.app.get(TenantContext));
    const handOver = async (slug: string) =>
      t.app.get(TenantRunner).run(await t.tenant(slug), () => feed.handOver('7'));
    expect([await handOver('acme'), await handOver('globex')]).toEqual([true, false]);
    const entries = await directly(first, (redis) => redis.xrange('orders', '-', '+'));
    expect(entries.map(([, fields]) => fields)).toEqual([['id', '7']]);
  });

  it('is lent to acme alone', async () => {
    await use((redis) => redis.xadd('events', '*', 'type', 'greeting'));
    expect(await directly(first, (redis) => redis.xlen('events'))).toBe(1);
    await expect(use((redis) => redis.ping(), 'globex')).rejects.toMatchObject({
      name: ResourceUnavailable.name,
      reason: 'broker.url is not set.',
    });
    expect(await check()).toMatchObject({ name: 'broker', state: 'ok', settings: ['broker.url'] });
  });

  it('is another from the next use on when acme names another, and no running use is cut', async () => {
    const waits = use((redis) => redis.blpop('queue', 4));
    const blocked = () => directly(first, (redis) => redis.info('clients'));
    await expect.poll(blocked).toContain('blocked_clients:1');
    await set(`${second.url}/3`);
    await use((redis) => redis.set('key', 'of the second'));
    const inThird = new Redis(`${second.url}/3`);
    expect(await inThird.get('key')).toBe('of the second');
    inThird.disconnect();
    await directly(first, (redis) => redis.rpush('queue', 'still there'));
    expect(await waits).toEqual(['queue', 'still there']);
    const names = () => directly(first, (redis) => redis.client('LIST'));
    // Nobody but whoever asks.
    await expect
      .poll(
        async () =>
          String(await names())
            .trim()
            .split('\n').length,
      )
      .toBe(1);
  });

  it("tells acme's admin what is wrong, and the password to nobody", async () => {
    await directly(second, (redis) => redis.acl('SETUSER', 'acme', 'on', '>right-password', '~*', '+@all'));
    const as = (password: string) => second.url.replace('//', `//acme:${password}@`);
    await set(as('wrong-password'));
    expect(await check()).toMatchObject({
      state: 'failing',
      last_error: 'It did not take the user and password in broker.url.',
    });
    const port = new URL(second.url).port;
    await set(as('right-password').replace(port, '1'));
    expect(await check()).toMatchObject({ last_error: 'It cannot be reached at the address in broker.url.' });
    await set(as('right-password').replace('redis:', 'rediss:'));
    expect(await check()).toMatchObject({ state: 'failing', last_error: 'It does not speak TLS.' });
    await set(as('right-password'));
    expect(await check()).toMatchObject({ state: 'ok', last_error: null });
    await expect(use((redis) => redis.call('no-such-command'))).rejects.toThrow('unknown command');
    expect(await check()).toMatchObject({ state: 'ok' });
    expect(t.logs.join('')).not.toMatch(/(wrong|right)-password/);
  });

  it('is used again once it is back', async () => {
    await use((redis) => redis.ping());
    await first.kill();
    await expect(use((redis) => redis.ping())).rejects.toThrow();
    expect(await check()).toMatchObject({ state: 'failing' });
    await first.restart();
    await expect.poll(async () => (await check()).state).toBe('ok');
    expect(await use((redis) => redis.ping())).toBe('PONG');
  });

  it('is reached at no address that the operator does not allow', async () => {
    const { port } = new URL(first.url);
    for (const host of ['127.0.0.2', '10.0.0.1', '[::1]']) {
      await set(`redis://${host}:${port}`);
      expect(await check()).toMatchObject({
        state: 'failing',
        last_error: expect.stringContaining('has no address that may be connected to'),
      });
    }
    for (const value of ['http://x', 'redis://', 'redis://x/0?tls=no', 'redis://a:%zz@x', 'redis:///tmp/x', '']) {
      const answer = await acme.send('PUT', '/api/config/broker.url', { value });
      expect([value, answer.status]).toEqual([value, 422]);
    }
  });
});
