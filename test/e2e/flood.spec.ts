import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MODEL_PROVIDERS, type ModelProvider } from '../../src/chat/model.provider.js';
import { MetricsService } from '../../src/metrics/index.js';
import { TenantLookUp } from '../../src/tenancy/index.js';
import { signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { connectRaw } from '../kit/test-process.js';

let t: TestApp;
/** Answers of the model that have been asked for and not given. */
const held: (() => void)[] = [];
/** Whether the slow model is at a server of the tenant's own. */
let ownServer = false;
const slow: ModelProvider = {
  remembers: false,
  isOwn: () => ownServer,
  supports: (model) => model === 'slow',
  complete: () => new Promise((resolve) => held.push(() => resolve({ reply: 'at last', mock: true }))),
};
const release = () => held.splice(0).forEach((answer) => answer());
let session: string;

async function set(settings: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify(settings);
  await t.database.admin(`UPDATE platform.tenants SET settings = settings || $1 WHERE slug = 'globex'`, [text]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  await vi.waitFor(
    async () => expect((await t.app.get(TenantLookUp).bySlug('globex'))?.settings).toMatchObject(settings),
    30_000,
  );
}

beforeAll(async () => {
  t = await createTestApp({ MODEL_CONCURRENCY: '4' });
  t.app.get<ModelProvider[]>(MODEL_PROVIDERS).unshift(slow);
  await set({ model: 'slow', 'limits.concurrent_requests': 2 });
  session = await t.session('globex');
});
afterAll(() => t?.close());

const chat = (headers = {}) =>
  t.request('POST', '/chat', { headers, body: { tenant_id: 'globex', session_id: session, message: 'hello' } });

/** What the process counts of all tenants, by state. */
const requests = () => countsOf('requests');
async function countsOf(queue: string): Promise<Record<string, number>> {
  const answer = await t.app.get(MetricsService).registry.getMetricsAsJSON();
  const { values } = answer.find(({ name }) => name === 'tenantry_fair_queue') as unknown as {
    values: { value: number; labels: { queue: string; state: string } }[];
  };
  const own = values.filter(({ labels }) => labels.queue === queue);
  return Object.fromEntries(own.map(({ value, labels }) => [labels.state, value]));
}

describe('while globex floods', () => {
  let flood: ReturnType<typeof chat>[] = [];
  afterEach(async () => void (await settled()));
  async function begun() {
    flood = [chat(), chat(), chat(), chat()];
    await expect.poll(requests).toEqual({ running: 2, long: 0, waiting: 2 });
    await expect.poll(() => held.length).toBe(2);
  }

  async function settled() {
    await expect.poll(async () => (release(), requests())).toEqual({ running: 0, long: 0, waiting: 0 });
    return (await Promise.allSettled(flood)).map((one) => (one.status === 'fulfilled' ? one.value.status : 'gone'));
  }

  it('globex alone is told to come back later, wherever its name stands, and what it began is answered', async () => {
    const owner = await signIn(t, 'globex', 'owner');
    await begun();
    const errors = t.logs.filter((line) => line.includes('Request failed')).length;
    const refused = await Promise.all([
      chat(),
      chat({ 'x-tenant-id': 'globex' }),
      t.request('GET', `/api/sessions/${session}`, { headers: { host: 'globex.localhost' } }),
      t.request('GET', `/globex/api/sessions/${session}`),
      t.request('GET', '/api/sessions', { headers: { authorization: `Bearer ${owner.accessToken}` } }),
    ]);
    for (const { status, headers, json } of refused) {
      expect([status, json.code, headers['retry-after']]).toEqual([503, 'tenant_busy', '1']);
    }
    const acme = await t.session('acme');
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        t.request('POST', '/chat', { body: { tenant_id: 'acme', session_id: acme, message: 'hello' } }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    // Those who watch the process, and ask what a page may send, are no flood.
    expect((await t.request('GET', '/health/live', { headers: { host: 'globex.localhost' } })).status).toBe(200);
    expect(t.logs.filter((line) => line.includes('Request failed'))).toHaveLength(errors);
    expect(await settled()).toEqual([200, 200, 200, 200]);
  });

  it('globex is refused before its body is read', async () => {
    await begun();
    const { socket, ended } = await connectRaw(t.port);
    socket.write(
      'POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: globex\r\nContent-Type: application/json\r\n' +
        'Connection: close\r\nContent-Length: 100000\r\n\r\n',
    );
    const answer = await ended;
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toContain('"tenant_busy"');
    socket.destroy();
    expect(await settled()).toEqual([200, 200, 200, 200]);
  });

  it('a body that does not come takes no slot of a tenant', async () => {
    const raw = await Promise.all(Array.from({ length: 6 }, () => connectRaw(t.port)));
    for (const { socket } of raw) {
      socket.write(
        'POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: globex\r\nContent-Type: application/json\r\n' +
          'Content-Length: 1000\r\n\r\n{',
      );
    }
    const options = { headers: { 'x-tenant-id': 'globex' } };
    expect((await t.request('GET', `/api/sessions/${session}`, options)).status).toBe(200);
    raw.forEach(({ socket }) => socket.destroy());
  });

  it('clients that go away make room', async () => {
    const body = JSON.stringify({ tenant_id: 'globex', session_id: session, message: 'hello' });
    const raw = await Promise.all(Array.from({ length: 4 }, () => connectRaw(t.port)));
    for (const { socket } of raw) {
      socket.write(
        'POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }
    await expect.poll(requests).toEqual({ running: 2, long: 0, waiting: 2 });
    raw.forEach(({ socket }) => socket.destroy());
    await expect.poll(requests).toEqual({ running: 0, long: 0, waiting: 0 });
    release();
    flood = [chat()];
    await expect.poll(() => held.length).toBe(1);
    expect(await settled()).toEqual([200]);
  });
});

describe('while globex asks a slow model too often', () => {
  it('acme is answered all the same, and clients of globex that go away leave the queue', async () => {
    await set({ 'limits.concurrent_requests': 20 });
    const flood = [chat(), chat(), chat()];
    await expect.poll(() => held.length).toBe(3);
    const body = JSON.stringify({ tenant_id: 'globex', session_id: session, message: 'hello' });
    const raw = await Promise.all(Array.from({ length: 4 }, () => connectRaw(t.port)));
    for (const { socket } of raw) {
      socket.write(
        'POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }
    await expect.poll(() => countsOf('models')).toEqual({ running: 3, waiting: 4 });
    const acme = await t.session('acme');
    const answer = await t.request('POST', '/chat', {
      body: { tenant_id: 'acme', session_id: acme, message: 'hello' },
    });
    expect(answer.status).toBe(200);
    raw.forEach(({ socket }) => socket.destroy());
    await expect.poll(() => countsOf('models')).toEqual({ running: 3, waiting: 0 });
    release();
    expect((await Promise.all(flood)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await countsOf('models')).toEqual({ running: 0, waiting: 0 });
  });

  it('a server of its own that hangs takes nothing of what tenants share, nor all that globex may do', async () => {
    ownServer = true;
    try {
      const flood = Array.from({ length: 15 }, () => chat());
      await expect.poll(() => held.length).toBe(15);
      expect(await countsOf('models')).toEqual({ running: 0, waiting: 0 });
      const { status, json } = await chat();
      expect([status, json.code]).toEqual([503, 'tenant_busy']);
      const options = { headers: { 'x-tenant-id': 'globex' } };
      expect((await t.request('GET', `/api/sessions/${session}`, options)).status).toBe(200);
      release();
      expect(new Set((await Promise.all(flood)).map((answer) => answer.status))).toEqual(new Set([200]));
    } finally {
      ownServer = false;
    }
  });
});
