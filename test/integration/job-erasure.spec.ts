import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobFailure, type JobRun, TenantJobs } from '../../src/jobs/index.js';
import { TenantAudit } from '../../src/audit/index.js';
import { Outbox, OutboxHandlers } from '../../src/outbox/index.js';
import { type Tenant, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { TenantErasure, TenantLifecycle, TenantPurge } from '../../src/tenant/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { TestJobs, TestJobsModule } from '../kit/test-jobs.js';
import { whatIsLeft } from '../kit/what-is-left.js';

const eventually = { timeout: 30_000, interval: 20 };

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp({ TENANT_DELETION_GRACE_DAYS: '0' }, false, undefined, { modules: [TestJobsModule] });
});
afterAll(() => t.close());

const jobs = () => t.app.get(TestJobs);
const as = <T>(tenant: Tenant, fn: () => Promise<T>) => t.app.get(TenantRunner).run(tenant, fn);
const enqueue = (tenant: Tenant, text: string, more: Parameters<TenantJobs['enqueue']>[2] = {}) =>
  as(tenant, () => t.app.get(TenantJobs).enqueue('test.flaky', { text }, more));
const stored = ({ id }: Tenant) =>
  t.database.admin<{ name: string; state: string }>(
    'SELECT name, state::text FROM jobs.job WHERE group_id = $1 ORDER BY created_on',
    [id],
  );
const states = async (tenant: Tenant) => (await stored(tenant)).map(({ state }) => state);
const lanes = ({ id }: Tenant) => t.database.admin('SELECT name FROM platform.job_lanes WHERE tenant_id = $1', [id]);
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 2000));

async function newTenant(slug: string): Promise<Tenant> {
  await t.import([{ slug }]);
  return t.tenant(slug);
}

/** Has what is scheduled to be looked at again looked at now. */
async function purgeAgain({ id }: Tenant): Promise<Date | null> {
  await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE id = $1 AND purge_after IS NOT NULL', [
    id,
  ]);
  await t.app.get(TenantPurge).runDue();
  const [row] = await t.database.admin<{ purge_after: Date | null }>(
    'SELECT purge_after FROM platform.tenants WHERE id = $1',
    [id],
  );
  return row?.purge_after ?? null;
}

async function archiveAndPurge(slug: string): Promise<void> {
  const lifecycle = t.app.get(TenantLifecycle);
  await lifecycle.apply(slug, 'archive');
  await lifecycle.scheduleDeletion(slug, slug);
  expect(await t.app.get(TenantPurge).runDue()).toBe(1);
}

describe('the jobs of a tenant', () => {
  it('are erased with it and counted: waiting, done and dead ones, and what was told of it, and no others', async () => {
    const [doomed, spared] = [await newTenant('doomed'), await newTenant('spared')];
    jobs().flaky = (_, { text }) => {
      if (text === 'dead') throw new JobFailure('no use', true);
    };
    for (const tenant of [doomed, spared]) {
      await enqueue(tenant, 'dead');
      await enqueue(tenant, 'done');
      await expect.poll(() => states(tenant), eventually).toEqual(expect.arrayContaining(['completed', 'failed']));
    }
    await t.app.get(TenantLifecycle).apply('doomed', 'suspend', { reason: 'A test' });
    await enqueue(doomed, 'waiting');
    await expect.poll(() => states(doomed), eventually).toContain('created');
    await expect
      .poll(async () =>
        (await stored(doomed)).filter(({ name, state }) => name === 'tenant.event' && state === 'completed'),
      )
      .toHaveLength(1);
    const before = [await states(spared), await lanes(spared)];
    expect(await lanes(doomed)).not.toEqual([]);

    expect(await t.app.get(TenantErasure).erase(doomed.id)).toBeGreaterThanOrEqual(4);
    expect([await stored(doomed), await lanes(doomed)]).toEqual([[], []]);
    expect(await t.app.get(TenantErasure).erase(doomed.id)).toBe(0);
    expect([await states(spared), await lanes(spared)]).toEqual(before);
  });

  it('end with a purge that comes while one runs and others wait, and leave nothing', async () => {
    const tenant = await newTenant('cut-short');
    const running: JobRun[] = [];
    let late = 0;
    jobs().flaky = async (run) => {
      running.push(run);
      await new Promise((resolve) => run.signal.addEventListener('abort', resolve, { once: true }));
      // A handler that is asked to end and goes on all the same.
      late += 1;
      await t.app.get(TenantJobs).enqueue('test.flaky', { text: 'late' });
    };
    for (let n = 0; n < 10; n += 1) await enqueue(tenant, 'long');
    // As many as one process takes.
    await expect.poll(() => running.length, eventually).toBe(4);
    await expect
      .poll(async () => (await states(tenant)).filter((state) => state === 'created').length, eventually)
      .toBe(6);
    const logged = t.logs.length;

    await archiveAndPurge('cut-short');
    await expect.poll(() => late, eventually).toBe(4);
    for (const { signal } of running) expect((signal.reason as JobFailure).reason).toBe('the hold on the job was lost');
    // What was still to be told of the tenant is found when it is looked again.
    await aWhile();
    await expect.poll(() => purgeAgain(tenant), { ...eventually, interval: 500 }).toBeNull();
    expect(await whatIsLeft(t.database, tenant.id)).toEqual({});
    expect(running).toHaveLength(4);

    await aWhile();
    expect([running.length, await whatIsLeft(t.database, tenant.id)]).toEqual([4, {}]);
    const complaints = t.logs.slice(logged).filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
    expect(complaints).toEqual([]);
  });

  it('and its events, when they do not hear that they are to end, write nothing after the purge', async () => {
    const tenant = await newTenant('deaf');
    const begun: string[] = [];
    const outcomes: unknown[] = [];
    let goOn = (): void => undefined;
    const purged = new Promise<void>((resolve) => (goOn = resolve));
    const writeLate = async (name: string): Promise<void> => {
      begun.push(name);
      await purged;
      const writes = [
        () => t.app.get(Outbox).add('test.never', {}),
        () => t.app.get(TenantTransaction).run(() => t.app.get(Outbox).add('test.never', {})),
        () => t.app.get(TenantAudit, { strict: false }).record({ event: 'test.late' }),
      ];
      for (const write of writes)
        outcomes.push(
          await write().then(
            () => 'written',
            (error: Error) => error.name,
          ),
        );
    };
    jobs().flaky = () => writeLate('job');
    t.app.get(OutboxHandlers).register('test.deaf', () => writeLate('event'));
    await enqueue(tenant, 'deaf');
    await as(tenant, () => t.app.get(Outbox).add('test.deaf', {}));
    await expect.poll(() => begun.length, eventually).toBe(2);

    await archiveAndPurge('deaf');
    goOn();
    await expect.poll(() => outcomes.length, eventually).toBe(6);
    expect(new Set(outcomes)).toEqual(new Set(['UnknownTenant']));
    await expect.poll(() => purgeAgain(tenant), { ...eventually, interval: 500 }).toBeNull();
    expect(await whatIsLeft(t.database, tenant.id)).toEqual({});
  });

  it('that are in the middle of a transaction when the purge comes are waited for, and what they wrote goes too', async () => {
    const tenant = await newTenant('halfway');
    let goOn = (): void => undefined;
    const told = new Promise<void>((resolve) => (goOn = resolve));
    let wrote = false;
    let ended = false;
    const work = as(tenant, () =>
      t.app.get(TenantTransaction).run(async () => {
        await t.app.get(TenantAudit, { strict: false }).record({ event: 'test.halfway' });
        wrote = true;
        await told;
        ended = true;
      }),
    );
    await expect.poll(() => wrote, eventually).toBe(true);
    const purge = archiveAndPurge('halfway').then(() => expect(ended).toBe(true));
    await aWhile();
    goOn();
    await Promise.all([work, purge]);
    const rows = await t.database.admin('SELECT 1 FROM shared.audit_events WHERE tenant_id = $1', [tenant.id]);
    expect(rows).toEqual([]);
  });

  it('that fail when their tenant is gone do not bring its lane back', async () => {
    const tenant = await newTenant('lane-less');
    let begun = 0;
    let fail = (): void => undefined;
    const told = new Promise<void>((resolve) => (fail = resolve));
    jobs().flaky = async () => {
      begun += 1;
      await told;
      throw new Error('no');
    };
    await enqueue(tenant, 'failing');
    await expect.poll(() => begun, eventually).toBe(1);
    await archiveAndPurge('lane-less');
    fail();
    await expect
      .poll(
        () => t.logs.some((line) => line.includes("no longer this worker's") && line.includes(tenant.id)),
        eventually,
      )
      .toBe(true);
    expect([await lanes(tenant), (await stored(tenant)).filter(({ name }) => name !== 'tenant.event')]).toEqual([
      [],
      [],
    ]);
  });
});
