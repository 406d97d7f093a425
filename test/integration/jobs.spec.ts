import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { JobEngine } from '../../src/jobs/job.engine.js';
import { JobWorker } from '../../src/jobs/job.worker.js';
import { JobFailure, JobPayloadInvalid, PlatformJobs, TenantJobs, UnknownJob } from '../../src/jobs/index.js';
import { OutboxSeal } from '../../src/outbox/outbox.seal.js';
import { OutboxRelay } from '../../src/outbox/index.js';
import {
  PLATFORM_DATA_SOURCE,
  type Tenant,
  TenantContextMissing,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import type { DataSource } from 'typeorm';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { createTestDatabase } from '../kit/test-database.js';
import { TestJobs, TestJobsModule } from '../kit/test-jobs.js';

interface StoredJob {
  id: string;
  name: string;
  state: string;
  retry_count: number;
  group_id: string | null;
  output: unknown;
  data: Record<string, string>;
  due_in: number;
}

let t: TestApp;
/** Another process over the same database. */
let other: TestApp;
let acme: Tenant;
let globex: Tenant;
let count = 0;
const fresh = () => `note ${(count += 1)}`;
const jobsOf = (app: TestApp) => app.app.get(TestJobs);
const ran = (name: string, text?: string) => [t, other].flatMap((app) => jobsOf(app).of(name, text));
const as = <T>(tenant: Tenant, fn: () => Promise<T>, app = t) => app.app.get(TenantRunner).run(tenant, fn);
const enqueue = (tenant: Tenant, job: string, payload?: object, options?: Parameters<TenantJobs['enqueue']>[2]) =>
  as(tenant, () => t.app.get(TenantJobs).enqueue(job, payload, options));
const stored = (where: string, values: unknown[] = []) =>
  t.database.admin<StoredJob>(
    `SELECT id, name, state::text, retry_count, group_id, output, data,
            extract(epoch FROM start_after - now())::float8 AS due_in FROM jobs.job WHERE ${where} ORDER BY created_on`,
    values,
  );
const eventually = { timeout: 30_000, interval: 20 };
/** Long enough for relay and workers to have looked several times. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 2000));

beforeAll(async () => {
  const database = await createTestDatabase();
  t = await serveTestApp(database, false, undefined, { modules: [TestJobsModule] });
  other = await serveTestApp({ ...database, drop: () => Promise.resolve() }, false, undefined, {
    modules: [TestJobsModule],
  });
  [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
});
afterAll(async () => {
  await other.close();
  await t.close();
});

describe('a job of acme', () => {
  it("runs once in acme's scope, outside every transaction, after the commit of the one that enqueued it", async () => {
    const text = fresh();
    await as(acme, () =>
      t.app.get(TenantTransaction).run(async () => {
        await t.app.get(TenantJobs).enqueue('test.note', { text });
        await aWhile();
        expect(ran('test.note', text)).toEqual([]);
      }),
    );
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(1);
    await aWhile();
    expect(ran('test.note', text)).toMatchObject([{ tenant: 'acme', run: { attempt: 1 } }]);
  });

  it('never runs when that transaction is rolled back', async () => {
    const text = fresh();
    const rolledBack = as(acme, () =>
      t.app.get(TenantTransaction).run(async () => {
        await t.app.get(TenantJobs).enqueue('test.note', { text });
        throw new Error('no');
      }),
    );
    await expect(rolledBack).rejects.toThrow('no');
    await aWhile();
    expect(ran('test.note', text)).toEqual([]);
  });

  it('is refused without a scope, under a name nobody declares, and with a payload that is not the declared one', async () => {
    const jobs = t.app.get(TenantJobs);
    await expect(jobs.enqueue('test.note', { text: 'x' })).rejects.toThrow(TenantContextMissing);
    await expect(enqueue(acme, 'test.nothing')).rejects.toThrow(UnknownJob);
    await expect(enqueue(acme, 'platform.note', { text: 'x' })).rejects.toThrow(UnknownJob);
    for (const payload of [undefined, { text: 7 }, { text: 'x', more: 1 }, ['x']]) {
      await expect(enqueue(acme, 'test.note', payload as object)).rejects.toThrow(JobPayloadInvalid);
    }
  });

  it('is kept under seal in outbox and queue', async () => {
    const text = `secret-${newId()}`;
    await enqueue(acme, 'test.note', { text, takesMs: 1000 });
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(1);
    expect(JSON.stringify(await stored('true'))).not.toContain('secret-');
    expect([...t.logs, ...other.logs].join()).not.toContain(text);
  });

  it('does not run before its time', async () => {
    const text = fresh();
    const startAfter = new Date(Date.now() + 3000);
    await enqueue(acme, 'test.note', { text }, { startAfter });
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(1);
    expect(Date.now()).toBeGreaterThanOrEqual(startAfter.getTime());
  });

  it('with a key does not run a second time while the first waits, runs, or is kept', async () => {
    const text = fresh();
    for (let n = 0; n < 3; n += 1) await enqueue(acme, 'test.note', { text, takesMs: 1000 }, { key: text });
    await enqueue(globex, 'test.note', { text }, { key: text });
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(2);
    await enqueue(acme, 'test.note', { text }, { key: text });
    await aWhile();
    expect(
      ran('test.note', text)
        .map(({ tenant }) => tenant)
        .sort(),
    ).toEqual(['acme', 'globex']);
    // onceInSeconds is over.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await enqueue(acme, 'test.note', { text }, { key: text });
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(3);
  });

  it('is added to the queue once, however often the relay hands it over', async () => {
    const text = fresh();
    let id = '';
    await expect
      .poll(async () => {
        if (!id) {
          await enqueue(acme, 'test.note', { text });
          id = 'sent';
        }
        return ran('test.note', text).length;
      }, eventually)
      .toBe(1);
    const event = ran('test.note', text)[0]!.run.id;
    const payload = { job: 'test.note', payload: { text }, priority: 'normal' };
    await t.database.admin(
      `INSERT INTO shared.outbox_events (tenant_id, id, type, payload) VALUES ($1, $2, 'job.enqueue', $3)`,
      [acme.id, event, t.app.get(OutboxSeal).seal(acme.id, event, JSON.stringify(payload))],
    );
    await expect
      .poll(
        async () => (await t.database.admin(`SELECT 1 FROM shared.outbox_events WHERE id = $1`, [event])).length,
        eventually,
      )
      .toBe(0);
    await aWhile();
    expect(ran('test.note', text)).toHaveLength(1);
  });
});

describe('a job that fails', () => {
  it('is tried again with the same id, and is dead after its last attempt, with a reason that repeats no message', async () => {
    const text = fresh();
    for (const app of [t, other]) {
      jobsOf(app).flaky = (_, payload) => {
        if (payload.text === text) throw new TypeError(`about ${text}`);
      };
    }
    await enqueue(acme, 'test.flaky', { text });
    await expect.poll(() => ran('test.flaky', text).length, eventually).toBe(3);
    const runs = ran('test.flaky', text);
    expect(new Set(runs.map(({ run }) => run.id)).size).toBe(1);
    expect(runs.map(({ run }) => run.attempt).sort()).toEqual([1, 2, 3]);
    await expect
      .poll(() => stored('id = $1', [runs[0]!.run.id]), eventually)
      .toMatchObject([{ state: 'failed', output: { reason: 'TypeError' } }]);
    expect([...t.logs, ...other.logs].join()).not.toContain(`about ${text}`);
  });

  it('for good is dead at once', async () => {
    const text = fresh();
    for (const app of [t, other]) {
      jobsOf(app).flaky = () => {
        throw new JobFailure('no use', true);
      };
    }
    await enqueue(acme, 'test.flaky', { text });
    await expect.poll(() => ran('test.flaky', text).length, eventually).toBe(1);
    const { id } = ran('test.flaky', text)[0]!.run;
    await expect
      .poll(() => stored('id = $1', [id]), eventually)
      .toMatchObject([{ state: 'failed', output: { reason: 'no use' } }]);
  });

  it('is aborted when its time is up', async () => {
    const text = fresh();
    await enqueue(acme, 'test.slow', { text });
    await enqueue(acme, 'test.slow', { text });
    await expect
      .poll(() => stored(`name = 'test.slow'`), eventually)
      .toMatchObject([{ state: 'failed', output: { reason: 'took too long' } }]);
    expect(ran('test.slow', text)).toHaveLength(1);
  });
});

describe('the worker', () => {
  it('gives up a job that names no tenant, an unknown one, two, or that was sealed for another', async () => {
    const { boss } = t.app.get(JobEngine);
    const text = fresh();
    await enqueue(acme, 'test.note', { text });
    await expect.poll(() => ran('test.note', text).length, eventually).toBe(1);
    const [{ data }] = (await stored('id = $1', [ran('test.note', text)[0]!.run.id])) as [StoredJob];
    const { tenant_id: _, ...bare } = data;
    const stranger = newId();
    const bad: [string, object, string | undefined][] = [
      ['the job has no envelope', { text }, acme.id],
      ['the job names no tenant', bare, undefined],
      ['the job names two tenants', data, globex.id],
      ['the job names two tenants', data, undefined],
      ['the tenant is unknown', { ...data, tenant_id: stranger }, stranger],
      ['the payload does not open', { ...data, tenant_id: globex.id }, globex.id],
      ['the payload does not open', data, acme.id],
    ];
    for (const [reason, envelope, group] of bad) {
      const id = newId();
      await boss.send('test.note', envelope, { id, ...(group && { group: { id: group } }) });
      await expect
        .poll(() => stored('id = $1', [id]), eventually)
        .toMatchObject([{ state: 'failed', output: { reason } }]);
    }
    expect(ran('test.note', text)).toHaveLength(1);
  });

  it('leaves jobs of a tenant out of service waiting, and removes those of a deleted one with a record', async () => {
    const status = (value: string) =>
      t.database.admin(`UPDATE platform.tenants SET status = $1 WHERE slug = 'initech'`, [value]);
    const initech = await t.tenant('initech');
    const text = fresh();
    await status('suspended');
    await enqueue(initech, 'test.note', { text });
    await expect
      .poll(() => stored('group_id = $1', [initech.id]), eventually)
      .toMatchObject([{ state: 'created', retry_count: 0 }]);
    await expect
      .poll(async () => (await stored('group_id = $1', [initech.id]))[0]!.due_in, eventually)
      .toBeGreaterThan(200);
    const due = () => t.database.admin(`UPDATE jobs.job SET start_after = now() WHERE group_id = $1`, [initech.id]);
    // It can be restored, and what was committed is to run then.
    await status('archived');
    await due();
    await expect
      .poll(async () => (await stored('group_id = $1', [initech.id]))[0]!.due_in, eventually)
      .toBeGreaterThan(200);
    const kept = fresh();
    await status('active');
    await enqueue(initech, 'test.note', { text: kept });
    await due();
    await expect.poll(() => [ran('test.note', text).length, ran('test.note', kept).length], eventually).toEqual([1, 1]);

    const last = fresh();
    await status('suspended');
    await enqueue(initech, 'test.note', { text: last });
    await expect
      .poll(async () => (await stored(`group_id = $1 AND state = 'created'`, [initech.id])).length, eventually)
      .toBe(1);
    await status('deleted');
    await due();
    await expect.poll(() => stored(`group_id = $1 AND state <> 'completed'`, [initech.id]), eventually).toEqual([]);
    await expect
      .poll(() => t.database.admin(`SELECT details FROM platform.audit_events WHERE event = 'job.dropped'`), eventually)
      .toMatchObject([{ details: { name: 'test.note', jobs: 1 } }]);
    expect(ran('test.note', last)).toEqual([]);
    await status('active');
  });

  it('runs no more of a name at once than declared', () => {
    for (const app of [t, other]) expect(jobsOf(app).most).toBeLessThanOrEqual(2);
  });

  it("starts globex's one job within the time of a few while 10,000 of acme's wait", async () => {
    const seal = t.app.get(OutboxSeal);
    // Each takes long enough for the queue to fill faster than it empties, on a busy machine too.
    const rows = Array.from({ length: 10_000 }, () => {
      const id = newId();
      const event = { job: 'test.note', payload: { text: 'flood', takesMs: 100 }, priority: 'normal' };
      return { id, payload: seal.seal(acme.id, id, JSON.stringify(event)) };
    });
    await t.database.admin(
      `INSERT INTO shared.outbox_events (tenant_id, id, type, payload)
       SELECT $1, id, 'job.enqueue', payload FROM unnest($2::uuid[], $3::bytea[]) AS e (id, payload)`,
      [acme.id, rows.map(({ id }) => id), rows.map(({ payload }) => payload)],
    );
    t.app.get(OutboxRelay, { strict: false }).wake();
    // A long queue in the engine as well, not only in the outbox.
    await expect
      .poll(async () => (await stored(`group_id = $1 AND state = 'created'`, [acme.id])).length, {
        timeout: 90_000,
        interval: 200,
      })
      .toBeGreaterThan(300);
    for (let n = 0; n < 3; n += 1) {
      const text = fresh();
      await enqueue(globex, 'test.note', { text });
      // From the moment it is in the queue.
      await expect.poll(() => ran('test.note', text).length, eventually).toBe(1);
      const { at, run } = ran('test.note', text)[0]!;
      const queued = (
        await t.database.admin<{ ago: number }>(
          `SELECT extract(epoch FROM clock_timestamp() - created_on)::float8 * 1000 AS ago FROM jobs.job WHERE id = $1`,
          [run.id],
        )
      )[0]!.ago;
      const since = performance.now() - queued;
      const between = ran('test.note', 'flood').filter((flood) => flood.at > since && flood.at < at).length;
      expect(between).toBeLessThan(20);
    }
    expect(ran('test.note', 'flood').length).toBeLessThan(9000);
    await t.database.admin(`DELETE FROM shared.outbox_events WHERE type = 'job.enqueue'`);
    await t.database.admin(`DELETE FROM jobs.job WHERE group_id = $1 AND state < 'active'`, [acme.id]);
  });
});

describe('a job of the platform', () => {
  it('runs outside every tenant, with the transaction that enqueued it and only then', async () => {
    const [kept, lost] = [fresh(), fresh()];
    const platform = t.app.get<DataSource>(PLATFORM_DATA_SOURCE);
    const jobs = t.app.get(PlatformJobs);
    await platform.transaction((manager) => jobs.enqueue('platform.note', { text: kept }, { manager }));
    const rolledBack = platform.transaction(async (manager) => {
      await jobs.enqueue('platform.note', { text: lost }, { manager });
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    await expect.poll(() => ran('platform.note', kept), eventually).toMatchObject([{ tenant: undefined }]);
    await aWhile();
    expect(ran('platform.note', lost)).toEqual([]);
  });

  it('with a key that was given up gives way to a new one', async () => {
    const key = fresh();
    const jobs = t.app.get(PlatformJobs);
    await jobs.enqueue('platform.note', { text: 'broken' }, { key });
    const id = await jobs.enqueue('platform.note', { text: 'broken' }, { key });
    await expect.poll(() => stored('id = $1', [id]), eventually).toMatchObject([{ state: 'failed' }]);
    await jobs.enqueue('platform.note', { text: key }, { key });
    await expect.poll(() => ran('platform.note', key).length, eventually).toBe(1);
    expect(ran('platform.note', key)[0]!.run.id).toBe(id);
  });
});

describe('a cron', () => {
  it('of the platform fires in one of two processes', async () => {
    await expect.poll(() => ran('test.tick').length, { timeout: 100_000, interval: 200 }).toBeGreaterThan(0);
    await aWhile();
    const minutes = ran('test.tick').map(({ run }) => run.id);
    expect(new Set(minutes).size).toBe(minutes.length);
    expect(await t.database.admin(`SELECT 1 FROM jobs.schedule WHERE name = 'test.tick'`)).toHaveLength(1);
  });

  it('of the tenants runs once for each active one, also when the occurrence is taken up again', async () => {
    const { boss } = t.app.get(JobEngine);
    const id = newId();
    await boss.send('test.tenant-tick.fan-out', null, { id });
    const slugs = () =>
      ran('test.tenant-tick')
        .map(({ tenant }) => tenant)
        .sort();
    await expect.poll(slugs, eventually).toEqual(['acme', 'globex', 'initech']);
    await t.database.admin(`UPDATE jobs.job SET state = 'created' WHERE id = $1`, [id]);
    t.app.get(JobWorker, { strict: false }).wake();
    await expect.poll(() => stored('id = $1', [id]), eventually).toMatchObject([{ state: 'completed' }]);
    await aWhile();
    expect(slugs()).toEqual(['acme', 'globex', 'initech']);
  });
});

describe('many tenants', () => {
  it('have the jobs of a cron added page by page, one each', async () => {
    await t.import(Array.from({ length: 2100 }, (_, n) => ({ slug: `many-${n}` })));
    const id = newId();
    await t.app.get(JobEngine).boss.send('test.tenant-tick.fan-out', null, { id });
    const state = () => stored('id = $1', [id]);
    await expect.poll(state, { timeout: 60_000, interval: 100 }).toMatchObject([{ state: 'completed' }]);
    const added = await t.database.admin<{ tenants: number; pages: number }>(
      `SELECT count(DISTINCT group_id)::int AS tenants, count(DISTINCT created_on)::int AS pages
         FROM jobs.job WHERE name = 'test.tenant-tick' AND data->>'event' = $1`,
      [id],
    );
    expect(added).toEqual([{ tenants: 2103, pages: 3 }]);
    await t.database.admin(`DELETE FROM jobs.job WHERE name = 'test.tenant-tick' AND state < 'active'`);
  });
});

describe('a process that stops', () => {
  it('lets jobs finish, and returns those that do not to their queue, the attempt uncounted', async () => {
    const [text, short] = [fresh(), fresh()];
    await other.close();
    const database = { ...t.database, drop: () => Promise.resolve() };
    const stopping = await serveTestApp(database, false, undefined, { modules: [TestJobsModule] });
    const begun = new Set<string>();
    let open = (): void => undefined;
    const closed = new Promise<void>((resolve) => (open = resolve));
    jobsOf(stopping).flaky = (run, payload) => {
      if (payload.text === short) return new Promise((resolve) => setTimeout(resolve, 2000));
      begun.add(run.id);
      return new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(new Error('aborted'))));
    };
    jobsOf(t).flaky = (run) => (begun.has(run.id) ? undefined : closed);
    // More than either process takes alone.
    await enqueue(acme, 'test.flaky', { text: short });
    for (let n = 0; n < 6; n += 1) await enqueue(acme, 'test.flaky', { text });
    await expect.poll(() => begun.size, eventually).toBeGreaterThan(0);
    await stopping.close();
    open();
    for (const id of begun) {
      const again = () => jobsOf(t).ran.filter(({ run }) => run.id === id);
      await expect.poll(() => again().map(({ run }) => run.attempt), eventually).toEqual([1]);
    }
    await expect
      .poll(() => stored(`name = 'test.flaky' AND state IN ('created', 'retry', 'active')`), eventually)
      .toEqual([]);
    const shorts = [t, stopping].flatMap((app) => jobsOf(app).of('test.flaky', short));
    expect(shorts).toHaveLength(1);
    other = await serveTestApp(database, false, undefined, { modules: [TestJobsModule] });
  });
});
