import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DemoUsers } from '../../src/auth/users/demo.users.js';
import { secondInstance } from '../kit/platform.js';
import { bearer, signIn, signInAs } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

describe('what is stored of credentials', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({ DEMO_PASSWORD: 'seven other ladders' });
  });
  afterAll(() => t.close());

  /** Every row of every table as text, binary columns as the bytes they hold. */
  async function stored(): Promise<string> {
    const tables = await t.database.admin<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('shared', 'platform')`,
    );
    let text = '';
    for (const { name } of tables) {
      for (const row of await t.database.admin<Record<string, unknown>>(`SELECT * FROM ${name}`)) {
        for (const value of Object.values(row)) {
          text += Buffer.isBuffer(value) ? `${value.toString('latin1')}\n` : `${JSON.stringify(value)}\n`;
        }
      }
    }
    return text;
  }

  it('signs nobody in: no refresh token, access token, API key, session or password is in any column', async () => {
    const owner = await signIn(t, 'acme', 'owner', 'seven other ladders');
    const key = (await owner.send('POST', '/api/api-keys', { name: 'bot', permissions: [] })).json.key as string;
    const session = await t.session('acme');
    const refreshed = (await owner.send('POST', '/api/auth/refresh', { refresh_token: owner.refreshToken })).json;
    const text = await stored();
    const credentials = [
      owner.accessToken,
      owner.refreshToken,
      refreshed.refresh_token as string,
      key,
      session,
      'seven other ladders',
    ];
    for (const credential of credentials) {
      for (const form of [credential, Buffer.from(credential).toString('hex'), Buffer.from(credential, 'base64url')]) {
        expect(text.includes(typeof form === 'string' ? form : form.toString('latin1'))).toBe(false);
      }
    }
  });

  it('signs nothing: the private halves of the signing keys are sealed', async () => {
    const keys = await t.database.admin<{ private_key: Buffer; public_jwk: Record<string, unknown> }>(
      'SELECT private_key, public_jwk FROM platform.signing_keys',
    );
    expect(keys.length).toBeGreaterThanOrEqual(2);
    for (const { private_key, public_jwk } of keys) {
      expect(public_jwk).not.toHaveProperty('d');
      for (const mark of ['PRIVATE', '"d"', '"kty"', String(public_jwk['x'])]) {
        expect(private_key.includes(mark)).toBe(false);
      }
      // PKCS #8 in DER begins with a SEQUENCE and holds the point in the clear.
      expect(private_key.includes(Buffer.from(String(public_jwk['x']), 'base64url'))).toBe(false);
    }
  });

  it('takes the password of DEMO_PASSWORD for people of the demo, and not the default', async () => {
    await signInAs(t, 'globex', 'viewer@globex.example', 'seven other ladders');
    await expect(signIn(t, 'globex', 'viewer')).rejects.toThrow('401');
  });
});

describe('outside demo mode', () => {
  it('there is nobody of the demo, and nobody can be made', async () => {
    const t = await createTestApp({ DEMO: 'off' });
    try {
      await t.import([{ slug: 'plain' }]);
      const tenant = await t.tenant('plain');
      await expect(t.app.get(DemoUsers).load([tenant])).rejects.toThrow('demo mode only');
      expect(await t.database.admin('SELECT 1 FROM everywhere.users')).toEqual([]);
    } finally {
      await t.close();
    }
  });
});

describe('a role that changes', () => {
  it('is in force within a second on the instance that was not asked: given, composed and taken', async () => {
    const t = await createTestApp();
    const other = await secondInstance(t.database);
    try {
      const owner = await signIn(t, 'acme', 'owner');
      const member = await signIn(t, 'acme', 'member');
      const { id } = (await member.get('/api/auth/me')).json;
      const there = bearer(other, 'acme', member.accessToken);
      const sees = (status: number) =>
        expect.poll(async () => (await there.get('/api/users')).status, { timeout: 1000, interval: 20 }).toBe(status);
      await sees(403);
      await owner.send('PATCH', `/api/users/${id}`, { role: 'admin' });
      await sees(200);
      await owner.send('POST', '/api/roles', { name: 'watcher', permissions: ['user:read'] });
      await owner.send('PATCH', `/api/users/${id}`, { role: 'watcher' });
      await sees(200);
      await owner.send('PATCH', '/api/roles/watcher', { permissions: [] });
      await sees(403);
      await owner.send('PATCH', '/api/roles/watcher', { permissions: ['user:read'] });
      await sees(200);
    } finally {
      await other.close();
      await t.close();
    }
  });
});

describe('limits by address', () => {
  // Redeeming a reset link and an invitation share one count.
  const ROUTES: [what: string, path: string, quota: number][] = [
    ['signing in', '/api/auth/login', 60],
    ['asking for a reset', '/api/auth/forgot-password', 10],
    ['redeeming what a mail holds', '/api/invitations/accept', 30],
    ['refreshing', '/api/auth/refresh', 300],
  ];
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({}, true);
    await t.database.admin(`UPDATE platform.tenants SET plan = 'basic' WHERE slug = 'acme'`);
    await t.database.admin(`UPDATE platform.tenants SET plan = 'unlimited' WHERE slug = 'globex'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    // Until the process has heard of it.
    await sleep(500);
  });
  afterAll(() => t.close());
  const limited = async (tenant: string, path: string, times: number): Promise<boolean> => {
    const codes = new Set<string>();
    for (let n = 0; n < times; n += 1) {
      const answer = await t.request('POST', `/${tenant}${path}`, { body: {} });
      if (answer.status === 429) codes.add(answer.json.code as string);
    }
    return codes.has('address_rate_limited');
  };

  it.each(ROUTES)(
    'hold %s, before any body is looked at, and never for the plan unlimited',
    async (_what, path, quota) => {
      // A body that no validation lets through: what answers 429 came before it.
      expect(await limited('acme', path, quota)).toBe(false);
      expect(await limited('acme', path, 1)).toBe(true);
      expect(await limited('globex', path, quota + 1)).toBe(false);
    },
  );

  it('come first, and the limit of the tenant after the permission', async () => {
    await t.import([{ slug: 'narrow', settings: { 'limits.chat_per_10s': 1 } }]);
    const session = await t.session('narrow');
    const chat = (body: object) =>
      t.request('POST', '/chat', { body: { tenant_id: 'narrow', message: 'hi', ...body } });
    for (let n = 0; n < 3; n += 1) expect((await chat({ session_id: 'made-up' })).status).toBe(404);
    // What was refused before used up nothing; what is wrong in the body comes after the limit.
    expect((await chat({ session_id: session })).status).toBe(200);
    expect((await chat({ session_id: session, message: 7 })).status).toBe(429);
  });
});
