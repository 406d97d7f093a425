import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Access } from '../../src/auth/index.js';
import { newId } from '../../src/common/index.js';
import { apiKey, userToken } from '../kit/actors.js';
import { liftAddressLimits } from '../kit/people.js';
import { secondInstance } from '../kit/platform.js';
import { signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const MAP = JSON.parse(readFileSync('docs/generated/access-map.json', 'utf8')) as Record<string, Access>;

let t: TestApp;
let other: TestApp;
beforeAll(async () => {
  t = await createTestApp();
  await liftAddressLimits(t);
  other = await secondInstance(t.database);
});
afterAll(async () => {
  await other.close();
  await t.close();
});

async function set(status: string): Promise<void> {
  await t.database.admin(`UPDATE platform.tenants SET status = $1 WHERE slug = 'acme'`, [status]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'acme')`);
  const code = status === 'active' ? undefined : status === 'suspended' ? 'tenant_suspended' : 'tenant_not_found';
  for (const on of [t, other]) {
    const asked = async () =>
      (await on.request('GET', '/', { headers: { 'x-tenant-id': 'acme' } })).json.code as string;
    await expect.poll(asked, { timeout: 1000, interval: 10 }).toBe(code);
  }
}
const credentials = async () => {
  const [owner, admin, member] = await Promise.all(['owner', 'admin', 'member'].map((role) => signIn(t, 'acme', role)));
  return { owner: owner!, admin: admin!, member: member!, key: await apiKey(t, 'acme', ['audit:read']) };
};

describe('a suspended tenant', () => {
  beforeEach(() => set('active'));

  it('is refused by every process within a second, whichever way it is named, and back as fast', async () => {
    const session = await t.session('acme');
    const token = await userToken(t, 'acme', 'admin');
    const ways: [string, string, Record<string, string>, unknown?][] = [
      ['POST', '/session', {}, { tenant_id: 'acme' }],
      ['POST', '/chat', {}, { tenant_id: 'acme', session_id: session, message: 'hi' }],
      ['GET', '/', { host: 'acme.localhost' }],
      ['GET', '/api/sessions', { 'x-tenant-id': 'acme', authorization: `Bearer ${token}` }],
      ['GET', '/acme/api/sessions', { authorization: `Bearer ${token}` }],
      ['GET', '/api/sessions', { authorization: `Bearer ${token}` }],
      ['GET', '/api/sessions/current', { 'x-tenant-id': 'acme', authorization: `Session ${session}` }],
    ];
    await set('suspended');
    for (const on of [t, other]) {
      for (const [method, path, headers, body] of ways) {
        const answer = await on.request(method, path, { headers, body });
        expect([path, answer.status, answer.json]).toEqual([
          path,
          403,
          expect.objectContaining({ code: 'tenant_suspended', detail: 'This tenant is suspended.', reason: null }),
        ]);
      }
    }
    await set('active');
    for (const on of [t, other]) {
      for (const [method, path, headers, body] of ways) {
        expect([path, (await on.request(method, path, { headers, body })).status]).toEqual([
          path,
          expect.toBeOneOf([200, 201]),
        ]);
      }
    }
  });

  it('is closed on every route that looks at it, but for those that the access map leaves open', async () => {
    const { admin, key } = await credentials();
    await set('suspended');
    for (const [title, access] of Object.entries(MAP)) {
      const open = 'whileSuspended' in access;
      if (['public', 'platform', 'platform-public', 'internal'].includes(access.kind)) continue;
      const [method = '', pattern = ''] = title.split(' ');
      const body = method === 'GET' ? undefined : { session_id: newId() };
      for (const authorization of [undefined, `Bearer ${admin.accessToken}`, `Bearer ${key}`]) {
        const headers = { 'x-tenant-id': 'acme', ...(authorization && { authorization }) };
        const answer = await t.request(
          method,
          pattern.replaceAll(/:\w+/g, () => newId()),
          { headers, body },
        );
        // What is open asks who it is first, and a route without a credential looks into its body.
        const allowed =
          open && (authorization === undefined || (access as { permission?: string }).permission === undefined);
        if (allowed) expect([title, answer.status]).toEqual([title, expect.toBeOneOf([200, 204, 303, 401, 422])]);
        else expect([title, answer.status, answer.json.code]).toEqual([title, 403, 'tenant_suspended']);
      }
    }
    expect(Object.values(MAP).filter((access) => 'whileSuspended' in access).length).toBeGreaterThan(5);
  });

  it('lets its owner sign in, refresh, take the data along and sign out', async () => {
    const before = await credentials();
    await set('suspended');
    const owner = await signIn(t, 'acme', 'owner');
    for (const one of [owner, before.owner]) {
      expect((await one.get('/api/auth/me')).json.role).toBe('owner');
      expect((await one.get('/api/auth/me/data')).json.profile.email).toBe('owner@acme.example');
      expect((await one.get('/api/audit?format=csv')).status).toBe(200);
      expect((await one.get('/api/users')).json.code).toBe('tenant_suspended');
    }
    const refreshed = await t.request('POST', '/api/auth/refresh', { body: { refresh_token: owner.refreshToken } });
    expect(refreshed.status).toBe(200);
    expect((await owner.send('POST', '/api/auth/logout-all')).status).toBe(204);
  });

  it('has for its owner what it had before, to the byte, and for all else one answer whoever asks', async () => {
    const { owner, admin, member, key } = await credentials();
    // The download is an entry of the log.
    const mine = ['/api/auth/me', '/api/audit?limit=5'];
    const asked = async (path: string, headers: Record<string, string>) => {
      const named = { 'x-tenant-id': 'acme', 'x-request-id': 'same-request-id', ...headers };
      const answer = await t.request('GET', path, { headers: named });
      return [answer.status, answer.text];
    };
    const bearing = (token: string) => ({ authorization: `Bearer ${token}` });
    const before = await Promise.all(mine.map((path) => asked(path, bearing(owner.accessToken))));
    expect(before.map(([status]) => status)).toEqual(mine.map(() => 200));
    await set('suspended');
    expect(await Promise.all(mine.map((path) => asked(path, bearing(owner.accessToken))))).toEqual(before);
    const closed = [];
    for (const token of [owner.accessToken, admin.accessToken, member.accessToken, key]) {
      closed.push(await asked('/api/users', bearing(token)));
    }
    closed.push(await asked('/api/users', {}), await asked('/api/users', { host: 'acme.localhost' }));
    expect(closed[0]?.[0]).toBe(403);
    for (const answer of closed) expect(answer).toEqual(closed[0]);
  });

  it('lets nobody else do so, and leaves their sign-ins good for later', async () => {
    const { admin, member, key } = await credentials();
    await set('suspended');
    const login = (email: string, password = 'demo-password') =>
      t.request('POST', '/api/auth/login', { headers: { 'x-tenant-id': 'acme' }, body: { email, password } });
    for (const role of ['admin', 'member', 'viewer']) {
      const answer = await login(`${role}@acme.example`);
      expect([role, answer.status, answer.json.code]).toEqual([role, 403, 'tenant_suspended']);
    }
    // Who has no account learns no more than ever.
    expect((await login('nobody@acme.example')).json.code).toBe('sign_in_refused');
    expect((await login('admin@acme.example', 'wrong')).json.code).toBe('sign_in_refused');
    for (const one of [admin, member]) {
      const answer = await t.request('POST', '/api/auth/refresh', { body: { refresh_token: one.refreshToken } });
      expect(answer.json.code).toBe('tenant_suspended');
      expect((await one.get('/api/auth/me')).json.code).toBe('tenant_suspended');
      expect((await one.get('/api/audit')).json.code).toBe('tenant_suspended');
    }
    const program = await t.request('GET', '/api/audit', { headers: { authorization: `Bearer ${key}` } });
    expect(program.json.code).toBe('tenant_suspended');
    await set('active');
    for (const one of [admin, member]) {
      const answer = await t.request('POST', '/api/auth/refresh', { body: { refresh_token: one.refreshToken } });
      expect(answer.status).toBe(200);
    }
  });

  it('is refused to strangers with a valid credential of their own as any tenant is', async () => {
    const globex = await userToken(t, 'globex', 'owner');
    await set('suspended');
    const answer = await t.request('GET', '/api/audit', {
      headers: { 'x-tenant-id': 'acme', authorization: `Bearer ${globex}` },
    });
    expect([answer.status, answer.json.code]).toEqual([404, 'tenant_not_found']);
  });
});

describe.each(['provisioning', 'failed', 'archived', 'deleted'])('a tenant that is %s', (status) => {
  it('is answered as one that never was, in every process', async () => {
    await set('active');
    const token = await userToken(t, 'acme', 'owner');
    await set(status);
    for (const on of [t, other]) {
      const ask = async (headers: Record<string, string>) => {
        const answer = await on.request('GET', '/api/auth/me', {
          headers: { ...headers, authorization: `Bearer ${token}`, 'x-request-id': 'same-request-id' },
        });
        return [answer.status, answer.text];
      };
      expect(await ask({ 'x-tenant-id': 'acme' })).toEqual(await ask({ 'x-tenant-id': 'nobody' }));
      expect(await ask({})).toEqual(await ask({ 'x-tenant-id': 'nobody' }));
    }
  });
});
