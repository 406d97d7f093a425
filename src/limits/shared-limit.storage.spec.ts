import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { machineHas } from '../../test/kit/needs.js';
import { findRedis, REDIS_HINT, startRedis, type TestRedis } from '../../test/kit/test-redis.js';
import type { Env } from '../env/index.js';
import type { MetricsService } from '../metrics/index.js';
import { RedisConnection } from '../redis/index.js';
import { type LimitPolicy, LimitsUnavailable, SharedLimitStorage, type SharedLimitStorageOptions } from './index.js';

const program = findRedis();

interface Process {
  storage: SharedLimitStorage;
  connection: RedisConnection;
  metric(name: string): Promise<number | undefined>;
}

describe.runIf(machineHas(program, REDIS_HINT))('limits that processes share', () => {
  let redis: TestRedis;
  let keys = 0;
  const running: Process[] = [];
  beforeAll(async () => {
    Logger.overrideLogger(false);
    redis = await startRedis(program ?? '');
  });
  afterEach(async () => {
    for (const { storage, connection } of running.splice(0)) {
      await storage.onModuleDestroy();
      connection.onApplicationShutdown();
    }
    redis.thaw();
    await redis.restart();
  });
  afterAll(() => redis?.stop());

  /** With the patience of a test on a busy machine, unless it is what the test is about. */
  async function start(options: Partial<SharedLimitStorageOptions> = {}): Promise<Process> {
    const registry = new Registry();
    const metrics = { registry } as MetricsService;
    const connection = await RedisConnection.open({ redisUrl: redis.url } as Env, metrics);
    const all: SharedLimitStorageOptions = { onFailure: 'local', patienceMs: 10_000, ...options };
    const storage = new SharedLimitStorage(connection.client!, connection, all, metrics);
    await storage.onModuleInit();
    const metric = async (name: string) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value;
    const started = { storage, connection, metric };
    running.push(started);
    return started;
  }
  const limit = (quota: number): LimitPolicy[] => [{ key: `{t:${(keys += 1)}}:limit:x`, quota, windowMs: 600_000 }];
  const ask = async ({ storage }: Process, policies: LimitPolicy[], times: number): Promise<number> => {
    let accepted = 0;
    for (let n = 0; n < times; n += 1) if ((await storage.consume(policies)).accepted) accepted += 1;
    return accepted;
  };
  const becomes = (one: Process, state: string) => expect.poll(() => one.storage.state).toBe(state);

  it('are each process its share while Redis is dead, with what it let through before, and one limit again afterwards', async () => {
    const [one, two] = [await start(), await start()];
    for (const { storage } of [one, two]) await expect.poll(() => storage.processes).toBe(2);
    const [used, unused, single] = [limit(10), limit(10), limit(1)];
    expect(await ask(one, used, 4)).toBe(4);
    await redis.kill();
    for (const each of [one, two]) await becomes(each, 'own');
    expect(await ask(one, used, 5)).toBe(1);
    expect(await ask(one, unused, 7)).toBe(5);
    expect((await one.storage.consume(unused)).standings[0]).toMatchObject({ used: 5, remaining: 0, refused: true });
    // Less than one is not a limit that anybody could live with.
    expect([await ask(one, single, 2), await ask(two, single, 2)]).toEqual([1, 1]);
    await redis.restart();
    for (const each of [one, two]) await becomes(each, 'shared');
    // Redis came back empty; what it held and what was let through meanwhile counts all the same.
    expect(await ask(two, used, 10)).toBe(5);
    expect(await ask(two, unused, 10)).toBe(5);
    expect([await ask(one, used, 1), await ask(one, unused, 1), await ask(one, single, 1)]).toEqual([0, 0, 0]);
  });

  it('leave nobody waiting for a Redis that hangs, and do not forget what it held meanwhile', async () => {
    const one = await start({ patienceMs: 100 });
    const policies = limit(100);
    await ask(one, policies, 10);
    redis.freeze();
    // All that wait go on at the first that has waited for long enough.
    const waiting = await Promise.all(Array.from({ length: 5 }, () => ask(one, policies, 1)));
    expect(waiting).toEqual([1, 1, 1, 1, 1]);
    expect(one.storage.state).toBe('own');
    expect(await one.metric('tenantry_limits_shared')).toBe(0);
    const verdict = one.storage.consume(policies);
    expect(verdict).not.toBeInstanceOf(Promise);
    redis.thaw();
    await becomes(one, 'shared');
    const { standings } = await one.storage.consume(policies);
    // The five may have been counted by Redis as well when it went on, and never less than they were.
    expect(standings[0]!.used).toBeGreaterThanOrEqual(17);
    expect(standings[0]!.used).toBeLessThanOrEqual(22);
    expect(await one.metric('tenantry_limits_fallbacks_total')).toBe(1);
  });

  it('come back over a new connection when the old one has been silent for long', async () => {
    const one = await start({ patienceMs: 100 });
    const policies = limit(10);
    let connections = 0;
    one.connection.client!.on('connect', () => (connections += 1));
    redis.freeze();
    await ask(one, policies, 1);
    await expect.poll(() => connections).toBeGreaterThanOrEqual(1);
    redis.thaw();
    await becomes(one, 'shared');
    expect(await ask(one, policies, 20)).toBeLessThanOrEqual(9);
  });

  it('are counted by the process while Redis answers and cannot write', async () => {
    const one = await start();
    const operator = new Redis(redis.url);
    await operator.config('SET', 'min-replicas-to-write', '1');
    expect(await ask(one, limit(3), 5)).toBe(3);
    expect(one.storage.state).toBe('own');
    await operator.config('SET', 'min-replicas-to-write', '0');
    await becomes(one, 'shared');
    await operator.quit();
  });

  it('refuse what they would count, with closed, and only while Redis is away', async () => {
    const one = await start({ onFailure: 'closed', patienceMs: 100 });
    const policies = limit(10);
    redis.freeze();
    await expect(one.storage.consume(policies)).rejects.toThrow(LimitsUnavailable);
    expect(one.storage.state).toBe('closed');
    expect(() => one.storage.consume(policies)).toThrow(LimitsUnavailable);
    redis.thaw();
    await becomes(one, 'shared');
    expect(await ask(one, policies, 1)).toBe(1);
  });

  it('let no more through than the quota, and hardly less, while Redis dies, hangs and returns under load', async () => {
    const one = await start({ patienceMs: 100 });
    const quota = 5000;
    const policies = limit(quota);
    let [accepted, going] = [0, true];
    const load = Array.from({ length: 4 }, async () => {
      while (going) {
        if ((await one.storage.consume(policies)).accepted) accepted += 1;
        await sleep(1);
      }
    });
    for (let round = 0; round < 2; round += 1) {
      await redis.kill();
      await becomes(one, 'own');
      await redis.restart();
      await becomes(one, 'shared');
      redis.freeze();
      await becomes(one, 'own');
      redis.thaw();
      await becomes(one, 'shared');
    }
    going = false;
    await Promise.all(load);
    while ((await one.storage.consume(policies)).accepted) accepted += 1;
    expect(accepted).toBeLessThanOrEqual(quota);
    expect(accepted).toBeGreaterThanOrEqual(quota * 0.8);
  });

  it('know the processes that are there, and not those that have ended', async () => {
    const one = await start();
    await start();
    const operator = new Redis(redis.url);
    await expect.poll(() => operator.zcard('{limits}:processes')).toBe(2);
    const [, two] = running.splice(0) as [Process, Process];
    await two.storage.onModuleDestroy();
    two.connection.onApplicationShutdown();
    running.push(one);
    expect(await operator.zcard('{limits}:processes')).toBe(1);
    await operator.quit();
  });
});
