import { once } from 'node:events';
import { connect, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoundedExpressAdapter } from '../../src/http/index.js';
import { ARCHIVE_TYPE } from '../../src/tenant/index.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { connectRaw } from '../kit/test-process.js';

const HOUR_MS = 60 * 60 * 1000;
const POST = 'POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n';

const connections = (t: TestApp): Promise<number> =>
  new Promise((resolve) => (t.app.getHttpServer() as Server).getConnections((_error, count) => resolve(count)));

describe('a client that breaks the rules', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({}, false, new BoundedExpressAdapter({ headers: 200, request: 600, checkEvery: 50 }));
  });
  afterAll(() => t.close());

  it.each([
    ['sends nothing', '', 408, 'request_timeout'],
    ['does not finish its headers', 'GET /health/live HTTP/1.1\r\nHost: local', 408, 'request_timeout'],
    ['does not finish its body', `${POST}\r\n{"tenant_id":`, 408, 'request_timeout'],
    ['sends more headers than 16 KiB', `${POST}X-Large: ${'x'.repeat(17_000)}`, 431, 'headers_too_large'],
    [
      'expects what no server does',
      'GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\n\r\n',
      417,
      'expectation_failed',
    ],
    ['does not speak HTTP', '\u0016\u0003\u0001 hello\r\n\r\n', 400, 'bad_request'],
  ])('and %s is told why and loses its connection', async (_name, sent, status, code) => {
    const { socket, ended } = await connectRaw(t.port);
    try {
      socket.write(sent);
      const [head, body, ...more] = (await ended).split('\r\n\r\n');
      expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(head).toContain('Content-Type: application/problem+json');
      const request_id = expect.stringMatching(/^[\da-f-]{36}$/);
      expect(JSON.parse(body!)).toMatchObject({ status, code, type: `urn:tenantry:problem:${code}`, request_id });
      expect(more).toEqual([]);
      // The client still holds its own end open; the server's must be gone all the same.
      await expect.poll(() => connections(t)).toBe(0);
    } finally {
      socket.destroy();
    }
  });

  it('and reads nothing of what it asked for loses its connection', async () => {
    const socket = connect(t.port, '127.0.0.1').pause();
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20));
    await expect.poll(() => connections(t)).toBe(1);
    await expect.poll(() => connections(t)).toBe(0);
    socket.destroy();
  });

  it('takes nothing from one that keeps to them', async () => {
    const answer = await t.request('POST', '/session', { body: { tenant_id: 'acme' } });
    expect(answer.status).toBe(201);
  });
});

describe('an upload of an archive', () => {
  const BOUND_MS = 600;
  let t: TestApp;
  let head: string;
  beforeAll(async () => {
    const slowness = { headers: 200, request: BOUND_MS, checkEvery: 50 };
    t = await createTestApp(ROOT_ENV, false, new BoundedExpressAdapter(slowness));
    const { headers } = await signInAdmin(t);
    head = [
      'POST /api/admin/tenants/imports?as=new&slug=umbrella HTTP/1.1',
      'Host: localhost',
      `Content-Type: ${ARCHIVE_TYPE}`,
      'Transfer-Encoding: chunked',
      ...Object.entries(headers).map((pair) => pair.join(': ')),
      '\r\n',
    ].join('\r\n');
  });
  afterAll(() => t.close());
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;

  it('may take longer than any other body while it comes at a pace', async () => {
    const { socket, ...client } = await connectRaw(t.port);
    socket.write(head);
    for (let n = 0; n < 10; n += 1) {
      socket.write(chunk);
      await sleep(BOUND_MS / 3);
    }
    socket.write('0\r\n\r\n');
    expect(await client.received(/"code"/)).toMatch(/HTTP\/1\.1 422 [^]*"archive_/);
    socket.destroy();
  });

  it('is given up once it comes too slowly', async () => {
    const { socket, ended } = await connectRaw(t.port);
    socket.write(head + chunk);
    await sleep(BOUND_MS);
    const drops = setInterval(() => socket.write('1\r\nx\r\n'), 50);
    expect(await ended).toMatch(/HTTP\/1\.1 408 [^]*request_timeout/);
    clearInterval(drops);
    socket.destroy();
  });

  it('is given no time by who may not upload', async () => {
    const { socket, ended } = await connectRaw(t.port);
    socket.write(head.replace(/^authorization: .*$/im, 'Authorization: Bearer nonsense'));
    const drops = setInterval(() => socket.write(chunk), 100);
    expect(await ended).toMatch(/HTTP\/1\.1 401 /);
    clearInterval(drops);
    await expect.poll(() => connections(t)).toBe(0);
    socket.destroy();
  });
});

describe('a drain', () => {
  it('waits for the request in flight and for nothing else', async () => {
    const adapter = new BoundedExpressAdapter({ headers: HOUR_MS, request: HOUR_MS, checkEvery: 50 });
    const t = await createTestApp({}, false, adapter);
    const body = JSON.stringify({ tenant_id: 'acme' });
    const [unused, idle, busy] = [await connectRaw(t.port), await connectRaw(t.port), await connectRaw(t.port)];
    const live = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
    idle.socket.write(live);
    await idle.received(/"status":"ok"/);
    busy.socket.write(POST.replace(/20\r\n$/, `${body.length}\r\nExpect: 100-continue\r\n\r\n`));
    await busy.received(/100 Continue/);

    const drained = adapter.drain(HOUR_MS);
    idle.socket.write(live);
    expect(await idle.ended).toMatch(/200 OK[^]*200 OK[^]*Connection: close/);
    busy.socket.write(body);
    expect(await busy.ended).toMatch(/201 Created[^]*Connection: close/);
    expect(await unused.ended).toBe('');
    await drained;
    for (const { socket } of [unused, idle, busy]) socket.destroy();
    await t.close();
  });

  it('cuts what does not finish in time', async () => {
    const adapter = new BoundedExpressAdapter();
    const t = await createTestApp({}, false, adapter);
    const { socket, ended, ...client } = await connectRaw(t.port);
    socket.write(`${POST}Expect: 100-continue\r\n\r\n`);
    await client.received(/100 Continue/);
    await adapter.drain(100);
    expect(await ended).not.toMatch(/HTTP\/1\.1 [^1]/);
    await t.close();
  });
});
