import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApplication } from '../../src/application.js';
import { createLogger } from '../../src/logs/index.js';
import { Outbox, type OutboxDelivery, OutboxFailure, OutboxHandlers, OutboxRelay } from '../../src/outbox/index.js';
import { OutboxTables } from '../../src/outbox/outbox.tables.js';
import {
  type Tenant,
  TenantContext,
  TenantContextMissing,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

interface StoredEvent {
  id: string;
  type: string;
  tenant_id: string;
  attempts: number;
  dead: boolean;
  due_in: number;
  last_error: string | null;
}

let t: TestApp;
let acme: Tenant;
let globex: Tenant;
let count = 0;
/** A type of this test's own, so that no other test's events get in. */
const freshType = () => `test.${(count += 1)}`;
const as = <T>(tenant: Tenant, fn: () => Promise<T>, app = t.app) => app.get(TenantRunner).run(tenant, fn);
const add = (tenant: Tenant, type: string, payload: unknown, app = t.app) =>
  as(tenant, () => app.get(Outbox).add(type, payload), app);
const handle = (type: string, fn: (delivery: OutboxDelivery) => Promise<void> | void, app = t.app) =>
  app.get(OutboxHandlers).register(type, async (delivery) => fn(delivery));
const stored = (type: string) =>
  t.database.admin<StoredEvent>(
    `SELECT id, type, tenant_id, attempts, dead_at IS NOT NULL AS dead, last_error,
            extract(epoch FROM next_attempt_at - now())::float8 AS due_in
       FROM everywhere.outbox_events WHERE type = $1 ORDER BY id`,
    [type],
  );
const eventually = { timeout: 15_000, interval: 20 };
/** Long enough for the relay to have looked several times. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1200));

beforeAll(async () => {
  t = await createTestApp();
  [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
});
afterAll(() => t.close());

describe('an event of acme in the outbox', () => {
  it("is handled in acme's scope after the commit, outside every transaction, and then is gone", async () => {
    const type = freshType();
    const seen: unknown[] = [];
    handle(type, ({ payload, attempt }) => {
      t.app.get(TenantTransaction).assertNone('A handler');
      seen.push([t.app.get(TenantContext).current()?.slug, payload, attempt]);
    });
    await as(acme, () =>
      t.app.get(TenantTransaction).run(async () => {
        await t.app.get(Outbox).add(type, { order: 7 });
        await aWhile();
        expect(seen).toEqual([]);
      }),
    );
    await expect.poll(() => seen, eventually).toEqual([['acme', { order: 7 }, 1]]);
    await expect.poll(() => stored(type), eventually).toEqual([]);
  });

  it('is never handled when its transaction is rolled back', async () => {
    const type = freshType();
    const seen: unknown[] = [];
    handle(type, ({ payload }) => void seen.push(payload));
    const undone = as(acme, () =>
      t.app.get(TenantTransaction).run(async () => {
        await t.app.get(Outbox).add(type, 'undone');
        throw new Error('changed my mind');
      }),
    );
    await expect(undone).rejects.toThrow('changed my mind');
    await add(acme, type, 'kept');
    await expect.poll(() => seen, eventually).toEqual(['kept']);
    await aWhile();
    expect(seen).toEqual(['kept']);
  });

  it('cannot be added without a tenant', async () => {
    await expect(t.app.get(Outbox).add('test.none', {})).rejects.toBeInstanceOf(TenantContextMissing);
  });

  it('shows nothing of its payload to who reads the table', async () => {
    const type = freshType();
    await add(acme, type, { token: 'a-reset-token' });
    const [row] = await t.database.admin<{ payload: Buffer }>(
      'SELECT payload FROM everywhere.outbox_events WHERE type = $1',
      [type],
    );
    expect(row?.payload.length).toBeGreaterThan(20);
    expect(row?.payload.toString('latin1')).not.toContain('reset');
  });

  it('does not open as an event of globex, nor as another one of acme', async () => {
    const type = freshType();
    await add(acme, type, 'secret');
    await t.database.admin(
      `INSERT INTO everywhere.outbox_events (tenant_id, id, type, payload)
       SELECT $2, id, type, payload FROM everywhere.outbox_events WHERE type = $1
       UNION ALL SELECT tenant_id, gen_random_uuid(), type, payload FROM everywhere.outbox_events WHERE type = $1`,
      [type, globex.id],
    );
    const seen: unknown[] = [];
    handle(type, ({ payload }) => void seen.push([t.app.get(TenantContext).current()?.slug, payload]));
    await expect.poll(async () => (await stored(type)).filter((row) => row.dead).length, eventually).toBe(2);
    await expect.poll(() => seen, eventually).toEqual([['acme', 'secret']]);
    expect((await stored(type)).map((row) => row.last_error)).toEqual(Array(2).fill('the payload does not open'));
  });

  it('is tried again after a failure, of which neither table nor log repeats the payload', async () => {
    const type = freshType();
    const attempts: number[] = [];
    handle(type, ({ payload, attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new TypeError(`cannot write to ${(payload as { to: string }).to}`);
    });
    await add(acme, type, { to: 'ann@acme.example' });
    await expect.poll(async () => (await stored(type))[0]?.last_error, eventually).toBe('TypeError');
    await expect.poll(() => attempts, eventually).toEqual([1, 2]);
    await expect.poll(() => stored(type), eventually).toEqual([]);
    expect(t.logs.some((line) => line.includes(type) && line.includes('TypeError'))).toBe(true);
    expect(t.logs.join('')).not.toContain('ann@acme.example');
  });

  it('waits longer after every failure, and is given up after the tenth attempt', async () => {
    const type = freshType();
    let attempts = 0;
    handle(type, () => {
      attempts += 1;
      throw new OutboxFailure('the printer is on fire');
    });
    await add(acme, type, {});
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      const last = attempt === 10;
      await expect
        .poll(async () => {
          const [row] = await stored(type);
          return [row?.attempts, row?.last_error, row?.dead];
        }, eventually)
        .toEqual([attempt, 'the printer is on fire', last]);
      if (!last) {
        waits.push((await stored(type))[0]?.due_in ?? 0);
        await t.database.admin(
          'UPDATE everywhere.outbox_events SET next_attempt_at = now(), last_error = NULL WHERE type = $1',
          [type],
        );
      }
    }
    expect(waits[5]).toBeGreaterThan(600);
    expect(Math.max(...waits)).toBeLessThan(4600);
    await t.database.admin('UPDATE everywhere.outbox_events SET next_attempt_at = now() WHERE type = $1', [type]);
    await aWhile();
    expect(attempts).toBe(10);
  }, 60_000);

  it('is given up at once when its handler says that nothing will help', async () => {
    const type = freshType();
    let attempts = 0;
    handle(type, () => {
      attempts += 1;
      throw new OutboxFailure('no such mailbox', true);
    });
    await add(acme, type, {});
    await expect.poll(() => stored(type), eventually).toMatchObject([{ dead: true, last_error: 'no such mailbox' }]);
    expect(attempts).toBe(1);
  });

  it('waits, unharmed, until somebody handles its type', async () => {
    const type = freshType();
    await add(acme, type, 'early');
    await aWhile();
    expect(await stored(type)).toMatchObject([{ attempts: 0, dead: false }]);
    const seen: unknown[] = [];
    handle(type, ({ payload }) => void seen.push(payload));
    await expect.poll(() => seen, eventually).toEqual(['early']);
  });

  it('is given up when the tenant is gone', async () => {
    await t.import([{ slug: 'shortlived' }]);
    const type = freshType();
    handle(type, () => undefined);
    const gone = await t.tenant('shortlived');
    await t.database.admin(`DELETE FROM platform.tenants WHERE slug = 'shortlived'`);
    await add(gone, type, {});
    await expect.poll(() => stored(type), eventually).toMatchObject([{ dead: true, last_error: 'the tenant is gone' }]);
  });

  it('leaves its lease to the relay that claimed it later, which alone settles it', async () => {
    const type = freshType();
    let reason: unknown;
    handle(type, async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      reason = (signal.reason as OutboxFailure).reason;
    });
    await add(acme, type, {});
    await expect.poll(async () => (await stored(type))[0]?.attempts, eventually).toBe(1);
    expect((await stored(type))[0]?.due_in).toBeGreaterThan(20);
    // As another relay's claim would, after this one's lease had run out.
    await t.database.admin(
      `UPDATE everywhere.outbox_events SET attempts = 2, next_attempt_at = now() + interval '1 hour' WHERE type = $1`,
      [type],
    );
    await expect.poll(() => reason, eventually).toBe('the lease was lost');
    await aWhile();
    expect(await stored(type)).toMatchObject([{ attempts: 2, dead: false, last_error: null }]);
  });
});

describe('the relay', () => {
  const others: Awaited<ReturnType<typeof createApplication>>[] = [];
  /** A second process's worth of application on the same database. */
  const another = async () => {
    const app = await createApplication(t.database.env, t.database.prepared, createLogger(t.database.env));
    others.push(app);
    return app;
  };
  afterEach(async () => {
    for (const app of others.splice(0)) await app.close();
  });

  it("starts globex's one event while 10,000 of acme's wait", async () => {
    const type = freshType();
    const order: string[] = [];
    handle(type, async () => {
      order.push(t.app.get(TenantContext).currentOrThrow().slug);
      await new Promise((resolve) => setTimeout(resolve, 5));
    });
    await as(acme, () =>
      t.app
        .get(TenantTransaction)
        .run(() => Promise.all(Array.from({ length: 10_000 }, (_, n) => t.app.get(Outbox).add(type, n)))),
    );
    await expect.poll(() => order.length, eventually).toBeGreaterThan(20);
    const before = order.length;
    await add(globex, type, 'one');
    await expect.poll(() => order.includes('globex'), { ...eventually, interval: 1 }).toBe(true);
    const meanwhile = order.indexOf('globex') - before;
    expect(order.length).toBeLessThan(9000);
    expect(meanwhile).toBeLessThan(100);
    await t.database.admin('DELETE FROM everywhere.outbox_events WHERE type = $1', [type]);
  }, 60_000);

  it('handles no event twice or at the same time as the relay of another process', async () => {
    const type = freshType();
    const other = await another();
    const starts = new Map<string, number>();
    const by = [0, 0];
    for (const [n, app] of [t.app, other].entries()) {
      handle(
        type,
        async ({ id }) => {
          starts.set(id, (starts.get(id) ?? 0) + 1);
          by[n] = (by[n] ?? 0) + 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        },
        app,
      );
    }
    const tenants = [acme, globex, await t.tenant('initech')];
    const ids = await Promise.all(
      Array.from({ length: 300 }, (_, n) => add(tenants[n % 3] ?? acme, type, n, n % 2 ? other : t.app)),
    );
    await expect.poll(() => stored(type), { ...eventually, timeout: 25_000 }).toEqual([]);
    expect([...starts.keys()].sort()).toEqual(ids.sort());
    expect(new Set(starts.values())).toEqual(new Set([1]));
    expect(Math.min(...by)).toBeGreaterThan(0);
  }, 60_000);

  it('looks every now and then at 1,100 tenants whose events wait for later, and not all the time', async () => {
    handle('test.later', () => undefined);
    await t.database.admin(
      `INSERT INTO shared.outbox_events (tenant_id, id, type, payload, next_attempt_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.later', '\\x00', now() + interval '1 hour' FROM generate_series(1, 1100)`,
    );
    const looks = vi.spyOn(t.app.get(OutboxTables, { strict: false }).shared, 'pendingTenants');
    await aWhile();
    await aWhile();
    // Three pages each time.
    expect(looks.mock.calls.length).toBeGreaterThanOrEqual(6);
    expect(looks.mock.calls.length).toBeLessThan(60);
    looks.mockRestore();
    await t.database.admin(`DELETE FROM shared.outbox_events WHERE type = 'test.later'`);
  });

  it('of another process hears of an event that it was not told of', async () => {
    const type = freshType();
    const other = await another();
    await other.get(OutboxRelay, { strict: false }).beforeApplicationShutdown();
    const seen: unknown[] = [];
    handle(type, ({ payload }) => void seen.push(payload));
    await add(acme, type, 'from elsewhere', other);
    await expect.poll(() => seen, eventually).toEqual(['from elsewhere']);
  });

  it('lets a running handler finish, and takes nothing more, when the process stops', async () => {
    const type = freshType();
    const own = await another();
    const seen: unknown[] = [];
    let finish = (): void => undefined;
    handle(
      type,
      async ({ payload }) => {
        seen.push(payload);
        await new Promise<void>((resolve) => (finish = resolve));
      },
      own,
    );
    await add(acme, type, 'first', own);
    await expect.poll(() => seen, eventually).toEqual(['first']);
    const closing = own.close();
    others.length = 0;
    await aWhile();
    await add(acme, type, 'second');
    finish();
    await closing;
    expect(seen).toEqual(['first']);
    expect(await stored(type)).toMatchObject([{ attempts: 0 }]);
  });
});
