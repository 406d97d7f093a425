import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import path from 'node:path';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';
import { launch, post, startProcess, type TestProcess } from '../kit/test-process.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const WORKER_WITH_HANGING_JOB = [process.execPath, path.resolve('test/kit/worker-process.mjs')];
const HANGS = /test\.hang (\S+) attempt (\d+)/g;

let database: TestDatabase;
let smtp: TestSmtp;
const running: TestProcess[] = [];

beforeAll(async () => {
  smtp = await startSmtp();
  database = await createTestDatabase({ SMTP_URL: smtp.url });
});
afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill('SIGTERM');
    await exited;
  }
});
afterAll(async () => {
  await database.drop();
  await smtp.close();
});

const env = (role: string, more = {}) => ({
  ROLE: role,
  DATABASE_URL: database.adminUrl,
  MASTER_KEY: database.env.masterKey,
  DATA_DIR: database.env.dataDir,
  SMTP_URL: smtp.url,
  DEMO: 'on',
  ...more,
});
async function start(role: string, more = {}, command?: string[]): Promise<TestProcess> {
  const started = await startProcess(env(role, more), command);
  running.push(started);
  return started;
}
const get = (port: number, route: string) => fetch(`http://127.0.0.1:${port}${route}`);
const resetMails = () => smtp.mails.filter(({ text }) => /reset/i.test(text ?? '')).length;

describe('two processes on one database', () => {
  it('share the work by role: what api takes in, worker does', async () => {
    const api = await start('api');
    const asked = await fetch(`http://127.0.0.1:${api.port}/api/auth/forgot-password`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tenant-id': 'acme' },
      body: JSON.stringify({ email: 'owner@acme.example' }),
    });
    expect(asked.status).toBe(202);
    // Several polls of a relay, were there one.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(resetMails()).toBe(0);

    const worker = await start('worker');
    await expect.poll(resetMails, { timeout: 20_000 }).toBe(1);

    expect((await get(worker.port, '/health/ready')).status).toBe(200);
    const metrics = await (await get(worker.port, '/metrics')).text();
    expect(metrics).toContain('tenantry_outbox_events{state="pending"} ');
    for (const route of ['/docs', '/openapi.json', '/api/auth/me', '/api/admin/jobs', '/']) {
      expect((await get(worker.port, route)).status).toBe(404);
    }
    expect((await post(worker.port, '/session', { tenant_id: 'acme' })).status).toBe(404);
    expect((await post(api.port, '/session', { tenant_id: 'acme' })).status).toBe(201);
  });

  it("tell acme's owner at the api how its mail server did in the worker", async () => {
    const api = await start('api', { OUTBOUND_ALLOW: '127.0.0.0/8' });
    await start('worker', { OUTBOUND_ALLOW: '127.0.0.0/8' });
    const ask = async (method: string, route: string, body?: object, more = {}) => {
      const headers = { 'content-type': 'application/json', 'x-tenant-id': 'acme', ...more };
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
      return fetch(`http://127.0.0.1:${api.port}${route}`, init);
    };
    const me = { email: 'owner@acme.example', password: 'demo-password' };
    const { access_token } = (await (await ask('POST', '/api/auth/login', me)).json()) as { access_token: string };
    const signedIn = { authorization: `Bearer ${access_token}` };
    // Each asks once: a second mail is not sent at once.
    const use = async (port: number, email: string) => {
      const settings = {
        'mail.smtp_host': '127.0.0.1',
        'mail.smtp_port': port,
        'mail.smtp_security': 'plain',
        'mail.from': 'hello@acme.example',
      };
      expect((await ask('PATCH', '/api/config', { settings }, signedIn)).status).toBe(200);
      expect((await ask('POST', '/api/auth/forgot-password', { email })).status).toBe(202);
    };
    const mailServer = async () => {
      const answer = await ask('GET', '/api/resources', undefined, signedIn);
      const { items } = (await answer.json()) as { items: { name: string; state: string }[] };
      return items.find(({ name }) => name === 'mail_server');
    };
    await use(1, 'admin@acme.example');
    const time = expect.stringMatching(/^\d{4}-/);
    await expect.poll(mailServer, { timeout: 20_000 }).toMatchObject({
      state: 'failing',
      last_error: 'It cannot be reached at mail.smtp_host and mail.smtp_port.',
      failing_since: time,
      last_failed_at: time,
      last_ok_at: null,
    });
    await use(smtp.port, 'member@acme.example');
    await expect
      .poll(mailServer, { timeout: 20_000 })
      .toMatchObject({ state: 'ok', last_error: null, failing_since: null, last_ok_at: time, last_failed_at: null });
  });

  it('give a job to the other when the worker that had it is killed', async () => {
    const victim = await start('worker', { HANG: '1' }, WORKER_WITH_HANGING_JOB);
    // On which it enqueues the job.
    victim.child.kill('SIGUSR2');
    await expect.poll(() => [...victim.output().matchAll(HANGS)].length, { timeout: 20_000 }).toBe(1);
    const [[, id]] = [...victim.output().matchAll(HANGS)] as [RegExpMatchArray];
    victim.child.kill('SIGKILL');
    await victim.exited;
    const heir = await start('worker', {}, WORKER_WITH_HANGING_JOB);
    await expect
      .poll(() => [...heir.output().matchAll(HANGS)].map(([, job, attempt]) => [job, attempt]), { timeout: 60_000 })
      .toEqual([[id, '2']]);
    await expect
      .poll(() => database.admin(`SELECT state::text FROM jobs.job WHERE id = $1`, [id]), { timeout: 20_000 })
      .toEqual([{ state: 'completed' }]);
  });

  it('need a database that both can reach', async () => {
    const lone = launch({ ROLE: 'worker', DATA_DIR: database.env.dataDir });
    expect(await lone.exited).toBe(1);
    expect(lone.output()).toContain('ROLE="worker" needs DATABASE_URL');
  });
});
