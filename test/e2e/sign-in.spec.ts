import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { bearer, signIn } from '../kit/sign-in.js';

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());

const refresh = (tenant: string, token: string) =>
  t.request('POST', '/api/auth/refresh', { headers: { 'x-tenant-id': tenant }, body: { refresh_token: token } });

describe('signing in', () => {
  it('gives the owner of acme a pair of tokens and tells them who they are', async () => {
    const answer = await t.request('POST', '/api/auth/login', {
      headers: { 'x-tenant-id': 'acme' },
      body: { email: 'Owner@ACME.example', password: 'demo-password' },
    });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
    });
    const me = await bearer(t, 'acme', answer.json.access_token).get('/api/auth/me');
    expect(me.status).toBe(200);
    expect(me.json).toMatchObject({ name: 'Owner of Acme Corp', role: 'owner' });
    expect(me.json.permissions).toContain('audit:read');
  });

  it('answers a wrong password, an unknown user and a user of another tenant with the same words', async () => {
    const attempts = [
      { email: 'owner@acme.example', password: 'not-the-password' },
      { email: 'nobody@acme.example', password: 'demo-password' },
      { email: 'owner@globex.example', password: 'demo-password' },
    ];
    const answers = [];
    for (const body of attempts) {
      const { status, json } = await t.request('POST', '/api/auth/login', { headers: { 'x-tenant-id': 'acme' }, body });
      answers.push({ ...json, request_id: '', status });
    }
    expect(answers[0]).toMatchObject({ status: 401, code: 'sign_in_refused' });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('refuses an address that no database takes, naming the field', async () => {
    const answer = await t.request('POST', '/api/auth/login', {
      headers: { 'x-tenant-id': 'acme' },
      body: { email: 'owner\u0000@acme.example', password: 'demo-password' },
    });
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toMatchObject([{ pointer: '/email' }]);
  });

  it("answers globex's token on acme with the bytes of a tenant that does not exist, and audits it at globex", async () => {
    const globex = await signIn(t, 'globex', 'member');
    const strip = (text: string) => text.replace(/"request_id":"[^"]*"/, '');
    const onAcme = await bearer(t, 'acme', globex.accessToken).get('/api/auth/me');
    const onNobody = await bearer(t, 'no-such', globex.accessToken).get('/api/auth/me');
    expect(onAcme.status).toBe(404);
    expect(strip(onAcme.text)).toBe(strip(onNobody.text));
    const { id: globexId } = await t.tenant('globex');
    await expect
      .poll(
        () => t.database.admin(`SELECT tenant_id FROM shared.audit_events WHERE event = 'cross_tenant_access_attempt'`),
        { timeout: 10_000 },
      )
      .toEqual([{ tenant_id: globexId }]);
  });
});

describe('a refresh token', () => {
  it('works once; the same answer comes again within ten seconds, and never after its successor was used', async () => {
    const { refreshToken } = await signIn(t, 'acme', 'member');
    const first = await refresh('acme', refreshToken);
    const again = await refresh('acme', refreshToken);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.json.refresh_token).toBe(first.json.refresh_token);
    const second = await refresh('acme', first.json.refresh_token);
    expect(second.status).toBe(200);
    expect((await refresh('acme', refreshToken)).status).toBe(401);
    // Reuse has revoked the family: nothing of it works any more.
    expect((await refresh('acme', second.json.refresh_token)).status).toBe(401);
    expect((await bearer(t, 'acme', second.json.access_token).get('/api/auth/me')).status).toBe(401);
    const reused = await t.database.admin(`SELECT 1 FROM shared.audit_events WHERE event = 'refresh-token.reused'`);
    expect(reused).toHaveLength(1);
  });

  it('replayed twenty times at once makes exactly one successor', async () => {
    const { refreshToken } = await signIn(t, 'acme', 'member');
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh('acme', refreshToken)));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map((answer) => answer.json.refresh_token)).size).toBe(1);
  });

  it('of globex is refused at acme and stays good at globex', async () => {
    const { refreshToken } = await signIn(t, 'globex', 'viewer');
    expect((await refresh('acme', refreshToken)).status).toBe(401);
    expect((await refresh('globex', refreshToken)).status).toBe(200);
  });

  it('in a cookie is out of reach of scripts and needs the CSRF token', async () => {
    const login = await t.request('POST', '/acme/api/auth/login', {
      body: { email: 'viewer@acme.example', password: 'demo-password', cookie: true },
    });
    expect(login.json.refresh_token).toBeUndefined();
    const cookie = String(login.headers['set-cookie']);
    expect(cookie).toMatch(
      /^tenantry_refresh_acme=[\w-]+; Path=\/acme\/api\/auth; Max-Age=\d+; HttpOnly; SameSite=Strict$/,
    );
    const headers = { cookie: cookie.split(';')[0]! };
    const without = await t.request('POST', '/acme/api/auth/refresh', { headers });
    expect(without.status).toBe(403);
    const refreshed = await t.request('POST', '/acme/api/auth/refresh', {
      headers: { ...headers, 'x-csrf-token': login.json.csrf_token },
    });
    expect(refreshed.status).toBe(200);
    expect(refreshed.json.refresh_token).toBeUndefined();
  });
});

describe('signing out', () => {
  it('ends this device at once and leaves the others', async () => {
    const [here, there] = [await signIn(t, 'acme', 'admin'), await signIn(t, 'acme', 'admin')];
    expect((await here.send('POST', '/api/auth/logout', { refresh_token: here.refreshToken })).status).toBe(204);
    await expect.poll(async () => (await here.get('/api/auth/me')).status, { timeout: 1000 }).toBe(401);
    expect((await there.get('/api/auth/me')).status).toBe(200);
  });

  it('everywhere ends every device', async () => {
    const [here, there] = [await signIn(t, 'acme', 'admin'), await signIn(t, 'acme', 'admin')];
    expect((await here.send('POST', '/api/auth/logout-all')).status).toBe(204);
    await expect.poll(async () => (await there.get('/api/auth/me')).status, { timeout: 1000 }).toBe(401);
    expect((await refresh('acme', there.refreshToken)).status).toBe(401);
  });
});

it('keeps the answers of 400 interleaved requests of two users apart', async () => {
  const [owner, viewer] = [await signIn(t, 'globex', 'owner'), await signIn(t, 'globex', 'viewer')];
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const who = index % 2 === 0 ? owner : viewer;
      return [index % 2 === 0 ? 'owner' : 'viewer', (await who.get('/api/auth/me')).json.role];
    }),
  );
  expect(answers.filter(([asked, told]) => asked !== told)).toEqual([]);
});
