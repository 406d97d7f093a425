import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TooManyAttempts } from '../../src/auth/sign-in/sign-in.errors.js';
import { SharedSignInThrottle } from '../../src/auth/sign-in/shared-sign-in.throttle.js';
import { SignInThrottle } from '../../src/auth/sign-in/sign-in.throttle.js';
import { newId } from '../../src/common/index.js';
import type { MetricsService } from '../../src/metrics/index.js';
import { RedisConnection } from '../../src/redis/index.js';
import { machineHas } from '../kit/needs.js';
import { liftAddressLimits } from '../kit/people.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../kit/test-redis.js';

const program = findRedis();

describe.skipIf(!machineHas(program, REDIS_HINT))('failed sign-ins of processes that share a Redis', () => {
  let redis: TestRedis;
  let t: TestApp;
  const connections: RedisConnection[] = [];
  /** What another process has. */
  async function another(): Promise<SharedSignInThrottle> {
    const env = { redisUrl: redis.url } as Parameters<typeof RedisConnection.open>[0];
    const connection = await RedisConnection.open(env, { registry: new Registry() } as MetricsService);
    await connection.settled();
    connections.push(connection);
    return new SharedSignInThrottle(new SignInThrottle(), connection);
  }
  let tenant: string;
  let one: SharedSignInThrottle;
  let two: SharedSignInThrottle;
  const attempt = (at: SharedSignInThrottle, account: string, address: string, trusted = false) =>
    at.check(tenant, account, address, { trusted });
  const isHeld = (at: SharedSignInThrottle, account: string, address: string, trusted = false) =>
    attempt(at, account, address, trusted).then(
      (let_in) => (let_in.abandoned(), false),
      (error: unknown) => {
        if (!(error instanceof TooManyAttempts)) throw error;
        return true;
      },
    );
  let count = 0;
  const elsewhere = () => `198.18.${(count += 1) >> 8}.${count & 255}`;
  const somebody = () => `${newId()}@acme.example`;

  beforeAll(async () => {
    // In a cluster, so that keys of one script have to be in one slot.
    redis = await startRedis(program ?? '', { cluster: true });
    t = await createTestApp({ REDIS_URL: redis.url, TRUSTED_PROXIES: 'loopback' });
    await liftAddressLimits(t);
    await t.app.get(RedisConnection).settled();
    tenant = (await t.tenant('acme')).id;
    [one, two] = [await another(), await another()];
  });
  afterAll(async () => {
    for (const connection of connections) connection.onApplicationShutdown();
    await t?.close();
    await redis?.stop();
  });

  it('hold account and address together after four, at whichever of them', async () => {
    const [account, home] = [somebody(), elsewhere()];
    for (const at of [one, two, one, two]) await attempt(at, account, home);
    expect(await isHeld(one, account, home)).toBe(true);
    expect(await isHeld(two, account, home, true)).toBe(true);
    expect(await isHeld(two, account, elsewhere())).toBe(false);
  });

  it('start afresh with a success at another, and what was not looked at does not count', async () => {
    const [account, home] = [somebody(), elsewhere()];
    for (let n = 0; n < 3; n += 1) await attempt(one, account, home, true);
    for (let n = 0; n < 9; n += 1) (await attempt(two, account, home, true)).abandoned();
    (await attempt(two, account, home, true)).succeeded();
    for (let n = 0; n < 4; n += 1) await attempt(one, account, home, true);
    expect(await isHeld(one, account, home, true)).toBe(true);
    const proven = { trusted: true, forgivenMsAgo: 0 };
    (await two.check(tenant, account, home, proven)).abandoned();
  });

  it('hold an account after ten from everywhere, but not where it is known', async () => {
    const account = somebody();
    await Promise.all([0, 1, 2, 3, 4].flatMap(() => [one, two].map((at) => attempt(at, account, elsewhere()))));
    for (const at of [one, two]) {
      expect(await isHeld(at, account, elsewhere())).toBe(true);
      expect(await isHeld(at, account, elsewhere(), true)).toBe(false);
    }
  });

  it('hold an address after fifty', async () => {
    const from = elsewhere();
    await Promise.all(Array.from({ length: 50 }, (_, n) => attempt(n % 2 ? one : two, somebody(), from)));
    for (const at of [one, two]) expect(await isHeld(at, somebody(), from)).toBe(true);
    expect(await isHeld(one, somebody(), elsewhere())).toBe(false);
  });

  it('turn somebody away from the service that another process has seen fail', async () => {
    const email = 'admin@acme.example';
    const login = (address: string) =>
      t.request('POST', '/api/auth/login', {
        headers: { 'x-tenant-id': 'acme', 'x-forwarded-for': address },
        body: { email, password: 'demo-password' },
      });
    for (let n = 0; n < 10; n += 1) await attempt(one, email, elsewhere());
    const held = await login(elsewhere());
    expect([held.status, held.json.code]).toEqual([429, 'too_many_attempts']);
  });

  it('are counted by each for itself while Redis is away, from what it knew, and together again afterwards', async () => {
    const [account, fresh] = [somebody(), somebody()];
    for (let n = 0; n < 8; n += 1) await attempt(n % 2 ? two : one, account, elsewhere());
    await redis.kill();
    // The eighth was at the second one: the first knows of seven.
    for (const at of [one, one, one, two, two]) await attempt(at, account, elsewhere());
    for (const at of [one, two]) expect(await isHeld(at, account, elsewhere())).toBe(true);
    for (let n = 0; n < 10; n += 1) await attempt(one, fresh, elsewhere());
    await redis.restart();
    await expect.poll(() => connections.every(({ up }) => up)).toBe(true);
    // Redis is empty: what one process counted alone it takes there.
    const held = async () => (await isHeld(one, fresh, elsewhere())) && (await isHeld(two, fresh, elsewhere()));
    await expect.poll(held).toBe(true);
  });
});
