import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TenantJobs } from '../../src/jobs/index.js';
import { Outbox, OutboxHandlers } from '../../src/outbox/index.js';
import { PlanReserves, roomFor, type Tenant, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTestApp, serveTestApp, type TestApp } from '../kit/test-app.js';
import { TestJobs, TestJobsModule } from '../kit/test-jobs.js';

const eventually = { timeout: 20_000, interval: 20 };
/** Long enough for relay and workers to have looked several times. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1500));

let t: TestApp;
let other: TestApp;
let admin: SignedInAdmin;
/** Of plan enterprise. */
let acme: Tenant;
/** Of plan premium, which has something reserved. */
let globex: Tenant;
let release = (): void => undefined;
let held: Promise<void>;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, DATABASE_POOL_SIZE: '4' }, false, undefined, { modules: [TestJobsModule] });
  // Another process, which works nothing itself.
  const { env } = t.database;
  other = await serveTestApp({ ...t.database, env: { ...env, role: 'api' }, drop: () => Promise.resolve() });
  admin = await signInAdmin(t);
  [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
});
afterAll(async () => {
  await other.close();
  await t.close();
});
afterEach(async () => {
  release();
  await reserve({ reserved_connections: 0, reserved_workers: 0 });
});

const as = <T>(tenant: Tenant, fn: () => Promise<T>) => t.app.get(TenantRunner).run(tenant, fn);
const reserves = (app: TestApp) => app.app.get(PlanReserves, { strict: false });
const hold = () => (held = new Promise((resolve) => (release = resolve)));

async function reserve(what: Record<string, number>): Promise<void> {
  const answer = await admin.send('PATCH', '/api/admin/plans/premium', what);
  expect([answer.status, answer.json]).toEqual([200, expect.objectContaining(what)]);
  await expect
    .poll(() => [t, other].map((app) => [reserves(app).connections.get('premium') ?? 0, reserves(app).workers.size]))
    .toEqual([t, other].map(() => [answer.json.reserved_connections, answer.json.reserved_workers > 0 ? 1 : 0]));
}

describe('what a plan reserves', () => {
  it('is a whole number within bounds, and every process hears of it', async () => {
    await reserve({ reserved_connections: 2, reserved_workers: 1 });
    for (const wrong of [{ reserved_connections: -1 }, { reserved_workers: 101 }, { reserved_connections: null }]) {
      expect((await admin.send('PATCH', '/api/admin/plans/premium', wrong)).status).toBe(422);
    }
  });

  it('of connections is there for globex while acme has transactions open on all others', async () => {
    await reserve({ reserved_connections: 1 });
    void hold();
    let open = 0;
    const transactions = Array.from({ length: 6 }, () =>
      as(acme, () =>
        t.app.get(TenantTransaction).run(async () => {
          await t.app.get(TenantTransaction).query('SELECT 1');
          open += 1;
          await held;
        }),
      ),
    );
    await expect.poll(() => open, eventually).toBe(3);
    await aWhile();
    expect(open).toBe(3);
    const started = performance.now();
    await as(globex, () => t.app.get(TenantTransaction).query('SELECT 1'));
    expect(performance.now() - started).toBeLessThan(1000);
    release();
    await Promise.all(transactions);
  });

  it('of workers is there for a job of globex while acme has more jobs than there are places', async () => {
    await reserve({ reserved_workers: 1 });
    void hold();
    const begun: string[] = [];
    t.app.get(TestJobs).flaky = async (_, { text }) => {
      begun.push(text);
      await held;
    };
    const enqueue = (tenant: Tenant, text: string) =>
      as(tenant, () => t.app.get(TenantJobs).enqueue('test.flaky', { text }));
    for (let n = 0; n < 10; n += 1) await enqueue(acme, 'acme');
    await expect.poll(() => begun.length, eventually).toBe(3);
    await aWhile();
    expect(begun).toHaveLength(3);
    await enqueue(globex, 'globex');
    await expect.poll(() => begun, eventually).toContain('globex');
    expect(begun).toHaveLength(4);
    release();
    await expect.poll(() => begun.length, eventually).toBe(11);
  });

  it('of workers is there for an event of globex while others have more than there are places', async () => {
    const crowd = Array.from({ length: 6 }, (_, index) => ({ slug: `crowd-${index}` }));
    await t.import(crowd);
    await reserve({ reserved_workers: 2 });
    void hold();
    let begun = 0;
    let ofGlobex = 0;
    t.app.get(OutboxHandlers).register('test.crowd', async () => {
      begun += 1;
      await held;
    });
    t.app.get(OutboxHandlers).register('test.globex', () => {
      ofGlobex += 1;
      return Promise.resolve();
    });
    for (const { slug } of crowd) {
      const tenant = await t.tenant(slug);
      for (let n = 0; n < 5; n += 1) await as(tenant, () => t.app.get(Outbox).add('test.crowd', {}));
    }
    await expect.poll(() => begun, eventually).toBe(14);
    await aWhile();
    expect(begun).toBe(14);
    await as(globex, () => t.app.get(Outbox).add('test.globex', {}));
    await expect.poll(() => ofGlobex, eventually).toBe(1);
    release();
    await expect.poll(() => begun, eventually).toBe(30);
  });

  it('leaves room for all others, is never more than there is, and is had by those whose it is', () => {
    const plans = fc.constantFrom('free', 'pro', 'premium');
    const reserved = fc.dictionary(fc.constantFrom('pro', 'premium'), fc.nat(8));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), reserved, fc.array(plans), (max, wanted, asked) => {
        const reserve = new Map(Object.entries(wanted));
        const busy = new Map<string, number>();
        for (const plan of asked) {
          if (roomFor(plan, max, busy, reserve) > 0) busy.set(plan, (busy.get(plan) ?? 0) + 1);
        }
        const taken = [...busy.values()].reduce((sum, count) => sum + count, 0);
        expect(taken).toBeLessThanOrEqual(max);
        let left = max - 1;
        for (const [plan, count] of reserve) {
          const kept = Math.min(count, left);
          left -= kept;
          const had = busy.get(plan) ?? 0;
          expect(had + roomFor(plan, max, busy, reserve)).toBeGreaterThanOrEqual(kept);
        }
        expect(roomFor('free', max, new Map(), reserve)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
