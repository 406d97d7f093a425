import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { JobFailure, TenantJobs } from '../../src/jobs/index.js';
import { Outbox, OutboxFailure, OutboxHandlers } from '../../src/outbox/index.js';
import { type Tenant, TenantRunner } from '../../src/tenancy/index.js';
import { addAdmin, ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { TestJobs, TestJobsModule } from '../kit/test-jobs.js';

let t: TestApp;
let root: SignedInAdmin;
let acme: Tenant;
let globex: Tenant;
const eventually = { timeout: 30_000, interval: 20 };
const enqueue = (tenant: Tenant, job: string, payload: object, startAfter?: Date) =>
  t.app.get(TenantRunner).run(tenant, () => t.app.get(TenantJobs).enqueue(job, payload, { startAfter }));
const list = async (query: string) => (await root.get(`/api/admin/jobs?${query}`)).json;
const audited = async (event: string) =>
  (await root.get(`/api/admin/audit?event=${event}`)).json.items as { target_id: string; tenant_id: string }[];

/** A job of the tenant that was given up. */
async function dead(tenant: Tenant, text: string): Promise<string> {
  t.app.get(TestJobs).flaky = () => {
    throw new JobFailure('the printer is out of paper', true);
  };
  const before = t.app.get(TestJobs).of('test.flaky', text).length;
  await enqueue(tenant, 'test.flaky', { text });
  await expect.poll(() => t.app.get(TestJobs).of('test.flaky', text).length, eventually).toBe(before + 1);
  const { id } = t.app.get(TestJobs).of('test.flaky', text).at(-1)!.run;
  await expect.poll(async () => (await root.get(`/api/admin/jobs/${id}`)).json.state, eventually).toBe('dead');
  return id;
}

beforeAll(async () => {
  t = await createTestApp(ROOT_ENV, false, undefined, { modules: [TestJobsModule] });
  root = await signInAdmin(t);
  [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
});
afterAll(() => t.close());

describe('a platform admin', () => {
  it('finds dead jobs by state, tenant and name, and never sees a payload', async () => {
    const id = await dead(acme, 'secret words');
    const other = await dead(globex, 'secret words');
    const ids = async (query: string) => (await list(query)).items.map((job: { id: string }) => job.id);
    expect(await ids('state=dead')).toEqual([other, id]);
    expect(await ids('state=dead&tenant=acme')).toEqual([id]);
    expect(await ids(`state=dead&tenant=${globex.id}&name=test.flaky`)).toEqual([other]);
    for (const none of ['state=running', 'tenant=nobody', `tenant=${newId()}`, 'name=test.note']) {
      expect(await ids(none)).toEqual([]);
    }
    const answer = await root.get(`/api/admin/jobs/${id}`);
    expect(answer.json).toMatchObject({
      id,
      name: 'test.flaky',
      tenant_id: acme.id,
      state: 'dead',
      attempts: 1,
      max_attempts: 3,
      last_error: 'the printer is out of paper',
    });
    expect(answer.headers['cache-control']).toBe('no-store');
    for (const text of [answer.text, JSON.stringify(await list(''))]) expect(text).not.toMatch(/secret|sealed/);
  });

  it('pages through jobs without losing or repeating one, by cursors that nobody can make up', async () => {
    for (let n = 0; n < 5; n += 1) await enqueue(acme, 'test.note', { text: `page ${n}` });
    await expect.poll(() => t.app.get(TestJobs).of('test.note').length, eventually).toBe(5);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await list(`limit=2&name=test.note${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items.map((job: { id: string }) => job.id));
      cursor = page.next_cursor ?? '';
    } while (cursor);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
    for (const query of ['cursor=x', 'limit=0', 'limit=201', 'state=lost']) {
      expect((await root.get(`/api/admin/jobs?${query}`)).status).toBe(422);
    }
  });

  it('runs a dead job again under its id, which is audited', async () => {
    const id = await dead(acme, 'again');
    t.app.get(TestJobs).flaky = () => undefined;
    const answer = await root.send('POST', `/api/admin/jobs/${id}/retry`);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ id, state: 'queued', attempts: 0 });
    await expect.poll(async () => (await root.get(`/api/admin/jobs/${id}`)).json.state, eventually).toBe('done');
    expect(
      t.app
        .get(TestJobs)
        .of('test.flaky', 'again')
        .map(({ run }) => run.id),
    ).toEqual([id, id]);
    const again = await root.send('POST', `/api/admin/jobs/${id}/retry`);
    expect([again.status, again.json.code]).toEqual([409, 'job_state_conflict']);
    expect(await audited('job.retried')).toMatchObject([{ tenant_id: acme.id, target_kind: 'job', target_id: id }]);
  });

  it('deletes a waiting job, which then never runs, and no running one', async () => {
    await enqueue(acme, 'test.note', { text: 'busy', takesMs: 3000 });
    await expect.poll(() => t.app.get(TestJobs).of('test.note', 'busy').length, eventually).toBe(1);
    const { id: busy } = t.app.get(TestJobs).of('test.note', 'busy')[0]!.run;
    expect((await root.send('DELETE', `/api/admin/jobs/${busy}`)).status).toBe(409);
    const id = await dead(acme, 'gone');
    expect((await root.send('DELETE', `/api/admin/jobs/${id}`)).status).toBe(204);
    expect((await root.get(`/api/admin/jobs/${id}`)).status).toBe(404);
    expect(await audited('job.deleted')).toMatchObject([{ target_id: id }]);
    for (const unknown of [newId(), 'x']) {
      expect((await root.send('DELETE', `/api/admin/jobs/${unknown}`)).json.code).toBe('job_not_found');
      expect((await root.send('POST', `/api/admin/jobs/${unknown}/retry`)).json.code).toBe('job_not_found');
    }
  });

  it('hands a dead outbox event to its handler again', async () => {
    let fails = true;
    const seen: string[] = [];
    t.app.get(OutboxHandlers).register('test.event', ({ id }) => {
      seen.push(id);
      return fails ? Promise.reject(new OutboxFailure('no use', true)) : Promise.resolve();
    });
    const id = await t.app.get(TenantRunner).run(acme, () => t.app.get(Outbox).add('test.event', { secret: 'words' }));
    const listed = async () => (await root.get('/api/admin/outbox/dead')).json.items;
    await expect.poll(listed, eventually).toMatchObject([{ id, tenant_id: acme.id, type: 'test.event', attempts: 1 }]);
    expect((await root.get('/api/admin/outbox/dead')).text).not.toContain('words');
    fails = false;
    expect((await root.send('POST', `/api/admin/outbox/dead/${id}/retry`)).status).toBe(204);
    await expect.poll(() => seen, eventually).toEqual([id, id]);
    expect(await listed()).toEqual([]);
    expect((await root.send('POST', `/api/admin/outbox/dead/${id}/retry`)).json.code).toBe('outbox_event_not_found');
    expect(await audited('outbox-event.retried')).toMatchObject([{ tenant_id: acme.id, target_id: id }]);
  });

  it('who may only read can neither retry nor delete, and billing sees nothing', async () => {
    const id = await dead(acme, 'guarded');
    const reader = await addAdmin(t, root, 'rita', 'read-only');
    expect((await reader.get(`/api/admin/jobs/${id}`)).status).toBe(200);
    expect((await reader.send('POST', `/api/admin/jobs/${id}/retry`)).status).toBe(403);
    expect((await reader.send('DELETE', `/api/admin/jobs/${id}`)).status).toBe(403);
    const billing = await addAdmin(t, root, 'bill', 'billing');
    expect((await billing.get('/api/admin/jobs')).status).toBe(403);
    expect((await billing.get('/api/admin/outbox/dead')).status).toBe(403);
  });
});

it('metrics count jobs by declared name', async () => {
  const { MetricsService } = await import('../../src/metrics/index.js');
  const text = await t.app.get(MetricsService).registry.metrics();
  expect(text).toMatch(/tenantry_jobs\{job="test\.flaky",state="dead"\} [1-9]/);
  expect(text).toMatch(/tenantry_job_runs_total\{job="test\.note",outcome="done"\} [1-9]/);
  expect(text).toMatch(/tenantry_job_oldest_seconds\{job="test\.note"\} 0/);
  expect(text).toMatch(/tenantry_outbox_events\{state="dead"\} 0/);
});
