import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditService } from '../../src/audit/index.js';
import { seal } from '../../src/common/index.js';
import { OutboxHandlers } from '../../src/outbox/index.js';
import { PlaceLanes, PlacementUnavailable, TenantContext } from '../../src/tenancy/index.js';
import { OwnerNotices } from '../../src/tenant/retirement/owner.notices.js';
import { addServer, placeTenant, sqlAt, type TestServer } from '../kit/places.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { addEvent } from '../kit/recording.js';
import { startProxy, type TcpProxy } from '../kit/tcp-proxy.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

/** On a server that will not answer, each in a database of its own. */
const FAR = ['far-1', 'far-2', 'far-3', 'far-4'];
const NEAR = ['near-1', 'near-2'];
/** A connection is tried for 10 s. */
const BEFORE_ONE_TRY_ENDS = { timeout: 7000, interval: 50 };

let t: TestApp;
let far: TestServer;
let proxy: TcpProxy;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  far = await addServer(t, 'far');
  proxy = await startProxy(Number(new URL(far.adminUrl).port));
  await t.database.admin('UPDATE platform.servers SET url = $1 WHERE name = $2', [
    seal(t.database.prepared.keys.derive('servers'), proxy.through(far.adminUrl), 'far'),
    'far',
  ]);
  const admin = await signInAdmin(t);
  for (const slug of FAR) await placeTenant(admin, slug, { isolation: 'database', server: 'far' });
  for (const slug of NEAR) await placeTenant(admin, slug, { isolation: 'database' });
  proxy.hang();
});
afterAll(async () => {
  await far.drop();
  await t.close();
  await proxy.close();
});

describe('a server that does not answer', () => {
  const stored = async (slug: string) =>
    (
      await sqlAt(
        t,
        slug,
        `SELECT 1 FROM audit_events WHERE event = 'test.refused'`,
        [],
        FAR.includes(slug) ? far : undefined,
      )
    ).length;

  it('keeps no security event of other tenants waiting', async () => {
    const audit = t.app.get(AuditService, { strict: false });
    const tenants = await Promise.all([...FAR, ...NEAR].map((slug) => t.tenant(slug)));
    for (const { id } of tenants) audit.record({ event: 'test.refused', tenantId: id, details: {} });
    for (const slug of NEAR) await expect.poll(() => stored(slug), BEFORE_ONE_TRY_ENDS).toBe(1);
    // Nor those that come while it is being tried.
    audit.record({ event: 'test.refused', tenantId: tenants.at(-1)!.id, details: { reason: 'another' } });
    await expect.poll(() => stored(NEAR.at(-1)!), BEFORE_ONE_TRY_ENDS).toBe(2);
  });

  it("keeps no owners' notices of other tenants waiting, and is not tried for each of its own", async () => {
    await t.database.admin(
      `INSERT INTO platform.tenant_notices (id, tenant_id, act, days, due_on, next_attempt_at)
       SELECT gen_random_uuid(), id, 'suspend', 7, now() + interval '7 days', now() - interval '1 hour' * (slug LIKE 'far%')::int
         FROM platform.tenants WHERE slug LIKE 'far%' OR slug LIKE 'near%'`,
    );
    const sent = async () =>
      (
        await t.database.admin<{ slug: string }>(
          `SELECT slug FROM platform.tenants t JOIN platform.tenant_notices n ON n.tenant_id = t.id
            WHERE n.sent_at IS NOT NULL ORDER BY slug`,
        )
      ).map(({ slug }) => slug);
    const started = performance.now();
    const run = t.app.get(OwnerNotices, { strict: false }).send();
    await expect.poll(sent, BEFORE_ONE_TRY_ENDS).toEqual(NEAR);
    expect(await run).toBe(NEAR.length);
    // Two are tried at once, the others not at all.
    expect(performance.now() - started).toBeLessThan(18_000);
  });

  it('keeps no event of other tenants waiting', async () => {
    const handled: string[] = [];
    t.app.get(OutboxHandlers, { strict: false }).register('test.event', () => {
      handled.push(t.app.get(TenantContext).currentOrThrow().slug);
      return Promise.resolve();
    });
    const far = await Promise.all(FAR.map((slug) => t.tenant(slug)));
    for (const { id } of far) await t.database.admin(`SELECT pg_notify('tenantry_outbox', $1)`, [id]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const slug of ['acme', ...NEAR]) await addEvent(t, slug, 'test.event', {});
    await expect.poll(() => handled.toSorted(), BEFORE_ONE_TRY_ENDS).toEqual(['acme', ...NEAR]);
  });

  it('has the security events of its tenants once it answers', async () => {
    for (const slug of FAR) expect(await stored(slug)).toBe(0);
    proxy.resume();
    for (const slug of FAR) await expect.poll(() => stored(slug), { timeout: 60_000, interval: 200 }).toBe(1);
  });
});

describe('lanes of places', () => {
  const shared = { kind: 'shared' } as const;

  it('close to what comes after when nobody answered, and to nothing elsewhere', async () => {
    const lanes = new PlaceLanes();
    const silent = async (): Promise<never> => {
      await new Promise((resolve) => setTimeout(resolve, 2100));
      throw new PlacementUnavailable();
    };
    const own = { kind: 'database', server: 'far', database: 'one', login: 'one' } as const;
    await expect(lanes.run(own, silent)).rejects.toThrow(PlacementUnavailable);
    let tried = false;
    const trying = () => Promise.resolve((tried = true));
    await expect(lanes.run({ ...own, database: 'two' }, trying)).rejects.toThrow(PlacementUnavailable);
    expect(tried).toBe(false);
    expect(await lanes.run({ kind: 'shared', server: 'far' }, trying)).toBe(true);
    expect(await lanes.run(shared, trying)).toBe(true);
  });

  it('stay open after a failure that came at once', async () => {
    const lanes = new PlaceLanes();
    await expect(lanes.run(shared, () => Promise.reject(new PlacementUnavailable()))).rejects.toThrow();
    expect(await lanes.run(shared, () => Promise.resolve('done'))).toBe('done');
  });
});
