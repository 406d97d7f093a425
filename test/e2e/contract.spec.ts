import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../kit/test-app.js';

describe("the demo's contract", () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  const chat = (tenant: string, session: unknown, message: unknown, headers = {}) =>
    t.request('POST', '/chat', { body: { tenant_id: tenant, session_id: session, message }, headers });

  it('greets with the demo tenants, and on the address of a tenant in its name', async () => {
    expect((await t.request('GET', '/')).json).toEqual({ ok: true, tenants: ['acme', 'globex', 'initech'] });
    const own = await t.request('GET', '/', { headers: { host: 'acme.localhost:8001' } });
    expect(own.json.tenant).toEqual({ id: 'acme', name: 'Acme Corp', welcome: 'Howdy from Acme!' });
  });

  it('opens a session', async () => {
    const answer = await t.request('POST', '/session', { body: { tenant_id: 'acme' } });
    expect(answer.status).toBe(201);
    expect(answer.json.tenant).toEqual({ id: 'acme', name: 'Acme Corp', welcome: 'Howdy from Acme!' });
    expect(answer.json.session_id).toMatch(/^[\w-]{68}$/);
  });

  it.each([
    ['acme', 'mock-1', "Howdy from Acme! [ACME MOCK] You said: 'héllo 👩‍👩‍👧'. Here's it reversed: '👩‍👩‍👧 olléh'"],
    ['globex', 'mock-2', 'Welcome from Globex. [GLOBEX MOCK] Echo: HÉLLO 👩‍👩‍👧'],
    ['initech', 'mock-3', "Initech says hi. [INITECH MOCK] Got it. 'héllo 👩‍👩‍👧'. (pretend-smart summary)."],
  ])('answers for %s with its own model %s', async (tenant, model, reply) => {
    const session = await t.session(tenant);
    const answer = await chat(tenant, session, '  héllo 👩‍👩‍👧 ');
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ tenant_id: tenant, session_id: session, reply, model, mock: true });
  });

  it("refuses globex with acme's session: 403, and an audit line without the credential", async () => {
    const session = await t.session('acme');
    const answer = await chat('globex', session, 'should fail');
    expect(answer.status).toBe(403);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json.detail).toBe('Session does not belong to tenant');
    await expect
      .poll(() =>
        t.database.admin(`SELECT event FROM platform.audit_events WHERE event = 'cross_tenant_access_attempt'`),
      )
      .toHaveLength(1);
    expect(t.logs.join('')).toContain('cross_tenant_access_attempt');
    expect(t.logs.join('')).not.toContain(session);
  });

  it('answers unknown, malformed and disagreeing tenants with the same bytes', async () => {
    const ask = async (headers: Record<string, string>, body: unknown) => {
      const answer = await t.request('POST', '/session', {
        headers: { ...headers, 'x-request-id': 'same-request-id' },
        body,
      });
      return [answer.status, answer.text];
    };
    const unknown = await ask({}, { tenant_id: 'nobody' });
    expect(unknown[0]).toBe(404);
    expect(JSON.parse(unknown[1] as string).detail).toBe('Unknown tenant_id');
    expect(await ask({}, { tenant_id: 'Not A Slug' })).toEqual(unknown);
    expect(await ask({ 'x-tenant-id': 'globex' }, { tenant_id: 'acme' })).toEqual(unknown);
    expect(await ask({ host: 'globex.localhost' }, { tenant_id: 'acme' })).toEqual(unknown);
    expect(await ask({ host: 'nobody.localhost' }, {})).toEqual(unknown);
  });

  it('asks for a tenant where none is named', async () => {
    const answer = await t.request('POST', '/session', { body: {} });
    expect([answer.status, answer.json.code]).toEqual([400, 'tenant_required']);
  });

  it('takes the tenant from header, subdomain or path prefix alike', async () => {
    const session = await t.session('acme');
    const ways: [string, Record<string, string>][] = [
      [`/api/sessions/${session}`, { 'x-tenant-id': 'acme' }],
      [`/api/sessions/${session}`, { host: 'acme.localhost:8001' }],
      [`/acme/api/sessions/${session}`, {}],
    ];
    for (const [path, headers] of ways) {
      const answer = await t.request('GET', path, { headers });
      expect([path, answer.status, answer.json.tenant_id]).toEqual([path, 200, 'acme']);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    const foreign = await t.request('GET', `/globex/api/sessions/${session}`);
    expect([foreign.status, foreign.json.detail]).toEqual([403, 'Session does not belong to tenant']);
    expect(foreign.json.instance).toBe('/globex/api/sessions/[redacted]');
    expect(t.logs.join('')).not.toContain(session);
  });

  it('refuses unknown, tampered and expired sessions', async () => {
    const session = await t.session('acme');
    const tampered = (session.startsWith('B') ? 'A' : 'B') + session.slice(1);
    for (const id of ['nope', '', tampered, session.slice(0, -1)]) {
      const answer = await chat('acme', id, 'hi');
      expect([id, answer.status, answer.json.detail]).toEqual([id, 404, 'Unknown session_id']);
    }
    await t.database.admin(`UPDATE everywhere.chat_sessions SET last_active_at = now() - interval '25 hours'`);
    expect((await chat('acme', session, 'hi')).status).toBe(404);
  });

  it('keeps message and reply, oldest first, in pages whose cursor works nowhere else', async () => {
    const [mine, other] = [await t.session('acme'), await t.session('acme')];
    for (const word of ['one', 'two', 'three']) await chat('acme', mine, word);
    const get = (session: string, query: string) =>
      t.request('GET', `/api/sessions/current/messages${query}`, {
        headers: { 'x-tenant-id': 'acme', authorization: `Session ${session}` },
      });
    const first = (await get(mine, '?limit=4')).json;
    expect(first.items.map((item: { role: string }) => item.role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    const rest = (await get(mine, `?limit=4&cursor=${first.next_cursor}`)).json;
    expect(rest.items.map((item: { content: string }) => item.content)).toEqual([
      'three',
      expect.stringContaining('eerht'),
    ]);
    expect(rest.next_cursor).toBeNull();
    expect((await get(other, `?cursor=${first.next_cursor}`)).json.code).toBe('cursor_invalid');
    expect((await get(mine, '?limit=0')).status).toBe(422);
  });

  it('holds to path spelling, nesting and redaction whatever the client tries', async () => {
    const session = await t.session('acme');
    await t.request('GET', `/API/Sessions/${session}`, { headers: { 'x-tenant-id': 'acme' } });
    await t.request('GET', `/API/Sessions/${session}`, { headers: { 'x-tenant-id': 'globex' } });
    expect(t.logs.join('')).not.toContain(session);
    for (const path of ['/session/', '/Session', 'http://localhost/session']) {
      const answer = await t.request('POST', path, {
        headers: { 'x-tenant-id': 'acme' },
        body: { tenant_id: 'globex' },
      });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    const deep = `{"tenant_id":"acme","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect((await t.request('POST', '/session', { body: deep })).json.code).toBe('body_too_deep');
  });

  it('needs the Authorization header on the current session', async () => {
    const answer = await t.request('GET', '/api/sessions/current', { headers: { 'x-tenant-id': 'acme' } });
    expect([answer.status, answer.json.code, answer.headers['www-authenticate']]).toEqual([
      401,
      'session_required',
      'Session',
    ]);
  });

  it('tells malformed JSON, wrong shape, blank, NUL, lone surrogate and too long apart', async () => {
    const session = await t.session('acme');
    expect((await t.request('POST', '/chat', { body: '{"tenant_id":' })).json.code).toBe('malformed_json');
    expect((await t.request('POST', '/chat', { body: Buffer.from([0x7b, 0xff, 0x7d]) })).status).toBe(400);
    expect((await t.request('POST', '/chat', { body: '[]' })).status).toBe(422);
    expect((await t.request('POST', '/session', { body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(
      415,
    );
    for (const message of ['   ', 'a\u0000b', 'a\ud800b', 7, null, undefined]) {
      const answer = await chat('acme', session, message);
      expect([message, answer.status, answer.json.errors?.[0]?.pointer]).toEqual([message, 422, '/message']);
    }
    const wrongSession = await chat('acme', 5, 'hi');
    expect([wrongSession.status, wrongSession.json.errors[0].pointer]).toEqual([422, '/session_id']);
    expect((await chat('acme', session, 'x'.repeat(32 * 1024))).status).toBe(200);
    const long = await chat('acme', session, 'x'.repeat(32 * 1024 + 1));
    expect([long.status, long.json.errors[0].pointer]).toEqual([413, '/message']);
    expect((await chat('acme', session, 'x'.repeat(300 * 1024))).status).toBe(413);
  });

  it('honours Idempotency-Key on /chat', async () => {
    const session = await t.session('acme');
    const key = { 'idempotency-key': 'b3f2a5d0-2b1c-4f7e-9a50-000000000001' };
    const first = await chat('acme', session, 'once', key);
    expect((await chat('acme', session, 'once', key)).text).toBe(first.text);
    expect((await chat('acme', session, 'other', key)).json.code).toBe('idempotency_key_reused');
    const history = await t.request('GET', `/acme/api/sessions/${session}/messages`);
    expect(history.json.items).toHaveLength(2);
    const parallel = { 'idempotency-key': 'b3f2a5d0-2b1c-4f7e-9a50-000000000002' };
    const statuses = await Promise.all(Array.from({ length: 8 }, () => chat('acme', session, 'race', parallel)));
    expect(statuses.every((answer) => answer.status === 200 || answer.status === 409)).toBe(true);
    expect((await t.request('GET', `/acme/api/sessions/${session}/messages`)).json.items).toHaveLength(4);
  });

  it('honours Idempotency-Key on /session without storing the credential', async () => {
    const open = () =>
      t.request('POST', '/session', {
        body: { tenant_id: 'acme' },
        headers: { 'idempotency-key': 'a-key-of-the-visitor' },
      });
    const first = await open();
    expect((await open()).text).toBe(first.text);
    const [row] = await t.database.admin<{ answer: Buffer }>(
      'SELECT answer FROM everywhere.idempotency_keys WHERE answer IS NOT NULL LIMIT 1',
    );
    expect(row?.answer.toString('latin1')).not.toContain(first.json.session_id);
  });

  it('answers unknown routes and stays silent about errors of its own', async () => {
    const answer = await t.request('GET', '/nope');
    expect([answer.status, answer.json.code]).toEqual([404, 'route_not_found']);
  });

  it('grants CORS only to the origins of the tenant', async () => {
    const from = (origin: string, tenant: string) =>
      t.request('GET', '/', { headers: { origin, host: `${tenant}.localhost` } });
    expect((await from('http://localhost:3000', 'acme')).headers['access-control-allow-origin']).toBe(
      'http://localhost:3000',
    );
    expect((await from('https://evil.example', 'acme')).headers['access-control-allow-origin']).toBeUndefined();
  });

  it('lets a page of a listed origin keep its refresh token in a cookie, and no other page', async () => {
    const preflight = async (origin: string, path: string) => {
      const { headers } = await t.request('OPTIONS', path, {
        headers: { origin, 'access-control-request-method': 'POST' },
      });
      const allowed = headers['access-control-allow-headers'] as string;
      expect(allowed).toContain('If-Match');
      return [headers['access-control-allow-credentials'], allowed.includes('X-CSRF-Token')];
    };
    const [page, refresh] = ['http://localhost:3000', '/api/auth/refresh'];
    expect(await preflight(page, `/acme${refresh}`)).toEqual(['true', true]);
    expect(await preflight('https://evil.example', `/acme${refresh}`)).toEqual([undefined, false]);
    expect(await preflight(page, refresh)).toEqual([undefined, false]);
    expect(await preflight('https://evil.example', refresh)).toEqual([undefined, false]);
    const answer = await t.request('POST', `/acme${refresh}`, { headers: { origin: page }, body: {} });
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': expect.stringMatching(/ETag, Location/),
    });
  });
});

describe('limits', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({}, true);
  });
  afterAll(() => t.close());

  it.each([
    ['odd', 'Bearer !'],
    ['empty', 'bearer'],
    ['double', 'Bearer a b'],
    ['long', `Bearer ${'x'.repeat(9000)}`],
  ])(
    'take no %s bearer credential for that of somebody signed in, nor its sender for an anonymous visitor',
    async (slug, authorization) => {
      await t.import([{ slug, settings: { 'limits.visitor_address_per_10s': 3 } }]);
      await t.database.admin(`UPDATE platform.tenants SET plan = 'basic' WHERE slug = $1`, [slug]);
      await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
      await expect.poll(async () => (await t.tenant(slug)).plan).toBe('basic');
      const { id } = await t.tenant(slug);
      const open = (headers = {}) => t.request('POST', '/session', { headers, body: { tenant_id: slug } });
      const sent = [];
      for (let n = 0; n < 5; n += 1) sent.push(await open({ authorization }));
      expect(new Set(sent.map(({ status, json }) => `${status} ${json.code}`))).toEqual(
        new Set(['401 credential_invalid', '429 address_rate_limited']),
      );
      expect(await t.database.admin('SELECT 1 FROM everywhere.chat_sessions WHERE tenant_id = $1', [id])).toEqual([]);
    },
  );

  it('holds globex to 4 chats in 10 seconds, whatever the session, and leaves acme alone', async () => {
    const body = async (tenant: string) => ({ tenant_id: tenant, session_id: await t.session(tenant), message: 'hi' });
    const answers = [];
    for (let n = 0; n < 5; n += 1) answers.push(await t.request('POST', '/chat', { body: await body('globex') }));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 429]);
    const refused = answers[4];
    expect(refused?.json.detail).toContain('chat_per_10s');
    expect(refused?.headers['ratelimit-policy']).toBe(
      '"chat";q=4;w=10, "visitors";q=8000;w=3600, "plan";q=10000;w=3600, "address-visitor";q=300;w=10',
    );
    expect(refused?.headers.ratelimit).toMatch(/^"chat";r=0;t=\d+$/);
    expect(refused?.json.policy).toBe('chat');
    expect(refused?.headers['x-ratelimit-remaining']).toBe('0');
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect((await t.request('POST', '/chat', { body: await body('acme') })).status).toBe(200);
  });
});
