import { adminToken } from '../kit/actors.js';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FirstAdmin } from '../../src/auth/index.js';
import { createTestDatabase } from '../kit/test-database.js';
import {
  addAdmin,
  adminBearer,
  platformLogin,
  ROOT,
  ROOT_ENV,
  secondInstance,
  type SignedInAdmin,
  signInAdmin,
  totpCode,
} from '../kit/platform.js';
import { bearer, signIn } from '../kit/sign-in.js';
import { createTestApp, serveTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess } from '../kit/test-process.js';

const withinASecond = { timeout: 1000, interval: 20 };
const plain = ({ status, json }: { status: number; json: Record<string, unknown> }) => ({
  ...json,
  status,
  request_id: '',
});

describe('platform admins', () => {
  let t: TestApp;
  let other: TestApp;
  let root: SignedInAdmin;
  beforeAll(async () => {
    t = await createTestApp(ROOT_ENV);
    other = await secondInstance(t.database);
    root = await signInAdmin(t);
  });
  afterAll(async () => {
    await other.close();
    await t.close();
  });
  const me = (who: SignedInAdmin) => who.get('/api/admin/auth/me');
  const onOther = (who: SignedInAdmin) => adminBearer(other, who.accessToken);

  describe('signing in', () => {
    it('takes the one of the environment, who is made once however many processes start', async () => {
      const { json } = await me(root);
      expect(json).toMatchObject({ email: ROOT.email, role: 'admin', password_change_required: false });
      expect(json.permissions).toContain('platform-admin:write');
      await Promise.all([t, other].map(({ app }) => app.get(FirstAdmin).fromEnv()));
      expect(await t.database.admin('SELECT email FROM platform.platform_admins')).toEqual([{ email: ROOT.email }]);
    });

    it('answers a wrong password, an unknown admin and a user of a tenant with the same words', async () => {
      const answers = [
        await platformLogin(t, ROOT.email, 'not the password'),
        await platformLogin(t, 'nobody@platform.example', ROOT.password),
        await platformLogin(t, 'owner@acme.example', 'demo-password'),
      ];
      expect(answers[0]?.json).toMatchObject({ status: 401, code: 'sign_in_refused' });
      expect(plain(answers[1]!)).toEqual(plain(answers[0]!));
      expect(plain(answers[2]!)).toEqual(plain(answers[0]!));
    });

    it('takes no address with a control character, and says so', async () => {
      const answer = await platformLogin(t, 'a\u0000@platform.example', 'x');
      expect([answer.status, answer.json.errors?.[0].pointer]).toEqual([422, '/email']);
    });

    it('gives refresh tokens that work once, and whose reuse signs the device out', async () => {
      const admin = await signInAdmin(t);
      const refresh = (token: string) =>
        t.request('POST', '/api/admin/auth/refresh', { body: { refresh_token: token } });
      const first = await refresh(admin.refreshToken);
      expect(first.json).toEqual({
        access_token: expect.any(String),
        refresh_token: expect.any(String),
        token_type: 'Bearer',
        expires_in: 900,
      });
      const second = await refresh(first.json.refresh_token);
      expect(second.status).toBe(200);
      expect((await refresh(admin.refreshToken)).status).toBe(401);
      expect((await refresh(second.json.refresh_token)).status).toBe(401);
      await expect.poll(async () => (await me(onOther(admin))).status, withinASecond).toBe(401);
    });

    it('revokes the family of a token that is used again and records it, or neither', async () => {
      const admin = await signInAdmin(t);
      const refresh = (token: string) =>
        t.request('POST', '/api/admin/auth/refresh', { body: { refresh_token: token } });
      const second = (await refresh((await refresh(admin.refreshToken)).json.refresh_token)).json;
      await t.database.admin(`CREATE FUNCTION platform.full() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$`);
      await t.database.admin(`CREATE TRIGGER full_log BEFORE INSERT ON platform.audit_events
        FOR EACH ROW WHEN (NEW.event = 'platform-refresh-token.reused') EXECUTE FUNCTION platform.full()`);
      expect((await refresh(admin.refreshToken)).status).toBe(500);
      await t.database.admin('DROP TRIGGER full_log ON platform.audit_events');
      expect((await refresh(second.refresh_token)).status).toBe(200);
      expect((await refresh(admin.refreshToken)).status).toBe(401);
      const { items } = (await root.get('/api/admin/audit?event=platform-refresh-token.reused')).json;
      expect(items[0].details.device).toEqual(expect.any(String));
    });

    it('names the way to a new token on the platform, not on a tenant', async () => {
      const answer = await me(adminBearer(t, 'nonsense'));
      expect([answer.status, answer.json.code]).toEqual([401, 'credential_invalid']);
      expect(answer.json.remedy).toContain('/api/admin/auth/refresh');
    });

    it('leaves fifty devices at most signed in', async () => {
      const { id } = (await me(root)).json;
      await t.database.admin(
        `INSERT INTO platform.platform_devices (id, user_id, name, token_hash, last_used_at, expires_at)
         SELECT gen_random_uuid(), $1, 'old', '', now() - n * interval '1 hour', now() + interval '1 day'
           FROM generate_series(1, 60) n`,
        [id],
      );
      const newest = await signInAdmin(t);
      const count = 'SELECT count(*)::int AS count FROM platform.platform_devices WHERE user_id = $1';
      expect(await t.database.admin(count, [id])).toEqual([{ count: 50 }]);
      expect((await me(newest)).status).toBe(200);
      await t.database.admin(`DELETE FROM platform.platform_devices WHERE name = 'old'`);
    });

    it("does not take a tenant user's refresh token, nor does the tenant take an admin's", async () => {
      const [user, admin] = [await signIn(t, 'acme', 'owner'), await signInAdmin(t)];
      const body = { refresh_token: user.refreshToken };
      expect((await t.request('POST', '/api/admin/auth/refresh', { body })).status).toBe(401);
      expect((await user.send('POST', '/api/auth/refresh', { refresh_token: admin.refreshToken })).status).toBe(401);
    });

    it('lists the own devices page by page, and signs one of them out within a second everywhere', async () => {
      const [here, there] = [await signInAdmin(t), await signInAdmin(t)];
      const list = async (query = '') => (await here.get(`/api/admin/auth/devices${query}`)).json;
      const all = await list();
      expect(all.items.filter(({ current }: { current: boolean }) => current)).toHaveLength(1);
      const [newest] = all.items as { id: string; current: boolean }[];
      expect(newest?.current).toBe(false);
      const first = await list('?limit=1');
      const second = await list(`?limit=1&cursor=${first.next_cursor}`);
      expect([...first.items, ...second.items]).toEqual(all.items.slice(0, 2));
      const stranger = await addAdmin(t, root, 'devon', 'read-only');
      for (const id of [newest?.id, 'nonsense']) {
        expect((await stranger.send('DELETE', `/api/admin/auth/devices/${id}`)).json.code).toBe('device_not_found');
      }
      expect((await stranger.get(`/api/admin/auth/devices?cursor=${first.next_cursor}`)).json.code).toBe(
        'cursor_invalid',
      );
      expect((await me(onOther(there))).status).toBe(200);
      expect((await here.send('DELETE', `/api/admin/auth/devices/${newest?.id}`)).status).toBe(204);
      await expect.poll(async () => (await me(onOther(there))).status, { timeout: 1000 }).toBe(401);
      expect((await me(here)).status).toBe(200);
    });

    it('ends on this device, or on all, within a second on every instance', async () => {
      const [here, there, third] = [await signInAdmin(t), await signInAdmin(t), await signInAdmin(t)];
      expect((await me(onOther(here))).status).toBe(200);
      const logout = await t.request('POST', '/api/admin/auth/logout', { body: { refresh_token: here.refreshToken } });
      expect(logout.status).toBe(204);
      await expect.poll(async () => (await me(onOther(here))).status, withinASecond).toBe(401);
      expect((await me(onOther(there))).status).toBe(200);
      expect((await there.send('POST', '/api/admin/auth/logout-all')).status).toBe(204);
      await expect.poll(async () => (await me(onOther(third))).status, withinASecond).toBe(401);
      root = await signInAdmin(t);
    });
  });

  describe('routes of the platform', () => {
    const places = [
      ['under the prefix of acme', '/acme', {}],
      ['on the host of acme', '', { host: 'acme.localhost' }],
      ['with the header of acme', '', { 'x-tenant-id': 'acme' }],
      ['with the header of nobody', '', { 'x-tenant-id': 'no-such-tenant' }],
    ] as const;

    it.each(places)('do not exist %s', async (_, prefix, more) => {
      const headers = { ...root.headers, ...more };
      for (const route of ['/api/admin/auth/me', '/api/admin/admins', '/api/admin/audit']) {
        const answer = await t.request('GET', prefix + route, { headers });
        expect([answer.status, answer.json.code]).toEqual([404, 'route_not_found']);
      }
      for (const [route, body] of [
        ['login', ROOT],
        ['login/mfa', { mfa_token: 'x', code: '123456' }],
        ['refresh', { refresh_token: root.refreshToken }],
        ['logout', { refresh_token: root.refreshToken }],
        ['mfa/enrol', { mfa_token: 'x' }],
      ] as const) {
        const answer = await t.request('POST', `${prefix}/api/admin/auth/${route}`, { headers, body });
        expect([route, answer.status, answer.json.code]).toEqual([route, 404, 'route_not_found']);
      }
    });

    it("take no tenant's token, and a tenant's routes take no admin's", async () => {
      const owner = await signIn(t, 'acme', 'owner');
      expect((await me(adminBearer(t, owner.accessToken))).status).toBe(401);
      expect((await bearer(t, 'acme', root.accessToken).get('/api/auth/me')).status).toBe(401);
    });
  });

  describe('a new admin', () => {
    it('has a one-time password, shown once, that opens nothing but its own change', async () => {
      const created = await root.send('POST', '/api/admin/admins', {
        email: 'New@Platform.example',
        name: 'Nora New',
        role: 'admin',
      });
      expect(created.status).toBe(201);
      const { id, one_time_password: oneTime } = created.json;
      expect(created.headers.location).toBe(`/api/admin/admins/${id}`);
      expect((await root.get(`/api/admin/admins/${id}`)).json).not.toHaveProperty('one_time_password');
      const nora = await signInAdmin(t, { email: 'new@platform.example', password: oneTime });
      expect((await me(nora)).json).toMatchObject({ name: 'Nora New', password_change_required: true });
      for (const [method, route] of [
        ['GET', '/api/admin/admins'],
        ['GET', '/api/admin/audit'],
        ['GET', '/api/admin/impersonations'],
        ['POST', '/api/admin/auth/logout-all'],
        ['POST', '/api/admin/auth/mfa/enrol'],
      ] as const) {
        const answer = await nora.send(method, route, method === 'POST' ? { password: oneTime } : undefined);
        expect([route, answer.status, answer.json.code]).toEqual([route, 403, 'password_change_required']);
      }
      const change = (current_password: string, new_password: string) =>
        nora.send('POST', '/api/admin/auth/change-password', { current_password, new_password });
      expect((await change('not the password', 'nine bridges over water')).status).toBe(401);
      expect((await change(oneTime, 'password123')).json.errors[0].pointer).toBe('/new_password');
      expect((await change(oneTime, oneTime)).status).toBe(422);
      expect((await change(oneTime, 'nine bridges over water')).status).toBe(204);
      await expect.poll(async () => (await nora.get('/api/admin/admins')).status, withinASecond).toBe(200);
      expect((await platformLogin(t, 'new@platform.example', oneTime)).status).toBe(401);
    });

    it('needs an address that no other has, and fields of the right shape', async () => {
      const create = (body: object) => root.send('POST', '/api/admin/admins', body);
      const taken = await create({ email: ROOT.email.toUpperCase(), name: 'Twin', role: 'support' });
      expect([taken.status, taken.json.code]).toEqual([409, 'email_taken']);
      const wrong = await create({ email: 'no address', name: '\n', role: 'owner' });
      expect(wrong.json.errors.map((error: { pointer: string }) => error.pointer)).toEqual(
        expect.arrayContaining(['/email', '/name', '/role']),
      );
    });

    it('is in the list, page by page', async () => {
      await addAdmin(t, root, 'paula', 'billing');
      const emails: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page = await root.get(`/api/admin/admins?limit=1${cursor && `&cursor=${cursor}`}`);
        expect(page.json.items).toHaveLength(1);
        emails.push(page.json.items[0].email);
        cursor = page.json.next_cursor;
      }
      expect(emails[0]).toBe(ROOT.email);
      expect(emails).toContain('paula@platform.example');
      expect(new Set(emails).size).toBe(emails.length);
      expect((await root.get('/api/admin/admins?cursor=AAAA')).json.code).toBe('cursor_invalid');
    });
  });

  describe('roles', () => {
    it('decide what an admin may do', async () => {
      const status = async (who: SignedInAdmin, method: string, route: string, body?: object) =>
        (await who.send(method, route, body)).status;
      const sam = await addAdmin(t, root, 'sam', 'support');
      const rita = await addAdmin(t, root, 'rita', 'read-only');
      const bill = await addAdmin(t, root, 'bill', 'billing');
      const routes = ['/api/admin/admins', '/api/admin/audit', '/api/admin/impersonations', '/api/admin/auth/me'];
      const seen = [];
      for (const who of [root, sam, rita, bill]) {
        seen.push(await Promise.all(routes.map((route) => status(who, 'GET', route))));
      }
      expect(seen).toEqual([
        [200, 200, 200, 200],
        [403, 200, 200, 200],
        [200, 200, 200, 200],
        [403, 403, 403, 200],
      ]);
      for (const who of [sam, rita, bill]) {
        const mine = { email: 'mine@platform.example', name: 'Mine', role: 'admin' };
        expect(await status(who, 'POST', '/api/admin/admins', mine)).toBe(403);
        expect(await status(who, 'PATCH', `/api/admin/admins/${bill.id}`, { role: 'admin' })).toBe(403);
      }
    });

    it('change within a second on every instance, and old tokens are void', async () => {
      const eve = await addAdmin(t, root, 'eve', 'admin');
      expect((await onOther(eve).get('/api/admin/admins')).status).toBe(200);
      const changed = await root.send('PATCH', `/api/admin/admins/${eve.id}`, { role: 'billing' });
      expect(changed.json).toMatchObject({ role: 'billing', status: 'active' });
      await expect.poll(async () => (await onOther(eve).get('/api/admin/admins')).status, withinASecond).toBe(401);
      const refreshed = await t.request('POST', '/api/admin/auth/refresh', {
        body: { refresh_token: eve.refreshToken },
      });
      expect((await adminBearer(other, refreshed.json.access_token).get('/api/admin/admins')).status).toBe(403);
    });

    it('cannot be told to an admin who does not exist', async () => {
      for (const id of ['0193f0a0-0000-7000-8000-000000000000', 'nonsense']) {
        expect((await root.send('PATCH', `/api/admin/admins/${id}`, { role: 'admin' })).status).toBe(404);
        expect((await root.get(`/api/admin/admins/${id}`)).status).toBe(404);
      }
    });
  });

  it('who are disabled are out within a second everywhere, and signed in nowhere when they come back', async () => {
    const dora = await addAdmin(t, root, 'dora', 'read-only');
    expect((await me(onOther(dora))).status).toBe(200);
    const disable = () => root.send('PATCH', `/api/admin/admins/${dora.id}`, { status: 'disabled' });
    expect((await disable()).json.status).toBe('disabled');
    await expect.poll(async () => (await me(onOther(dora))).status, withinASecond).toBe(401);
    expect((await platformLogin(t, dora.email, dora.password)).json.code).toBe('sign_in_refused');
    // Once more changes nothing, and is not in the log again.
    expect((await disable()).status).toBe(200);
    const events = await root.get(`/api/admin/audit?event=platform-admin.changed&target_id=${dora.id}`);
    expect(events.json.items).toHaveLength(1);
    expect(events.json.items[0]).toMatchObject({ before: { status: 'active' }, after: { status: 'disabled' } });
    await root.send('PATCH', `/api/admin/admins/${dora.id}`, { status: 'active' });
    const body = { refresh_token: dora.refreshToken };
    expect((await t.request('POST', '/api/admin/auth/refresh', { body })).status).toBe(401);
    expect((await platformLogin(t, dora.email, dora.password)).status).toBe(200);
  });

  describe('the log of the platform', () => {
    it('tells who did what from where, without secrets', async () => {
      const { json } = await root.get('/api/admin/audit?event=platform-admin.created&actor_kind=platform-admin');
      expect(json.items[0]).toMatchObject({
        actor_id: expect.any(String),
        actor_name: 'First admin',
        target_kind: 'platform-admin',
        address: '127.0.0.1',
        request_id: expect.any(String),
        tenant_id: null,
        reason: null,
      });
      const all = await root.get('/api/admin/audit?limit=200');
      expect(all.text).not.toContain('argon2');
      expect(all.text).not.toContain(ROOT.password);
      const [refused] = (await root.get('/api/admin/audit?event=platform-admin.sign-in-refused')).json.items;
      expect(refused).toMatchObject({ address: '127.0.0.1' });
    });

    it('comes newest first in pages that meet neither twice nor never', async () => {
      const whole = (await root.get('/api/admin/audit?event=platform-admin.&limit=200')).json.items;
      const ids: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { items: { id: string }[]; next_cursor: string | null } = (
          await root.get(`/api/admin/audit?event=platform-admin.&limit=7${cursor && `&cursor=${cursor}`}`)
        ).json;
        ids.push(...page.items.map(({ id }) => id));
        cursor = page.next_cursor;
      }
      expect(ids).toEqual(whole.map(({ id }: { id: string }) => id));
      expect(ids).toEqual([...ids].sort().reverse());
      const list = (await root.get('/api/admin/admins?limit=1')).json.next_cursor;
      expect((await root.get(`/api/admin/audit?cursor=${list}`)).json.code).toBe('cursor_invalid');
    });

    it('is searched by tenant, target and time', async () => {
      const acme = await t.tenant('acme');
      await bearer(t, 'globex', (await signIn(t, 'acme', 'viewer')).accessToken).get('/api/auth/me');
      const byTenant = () => root.get(`/api/admin/audit?event=cross_tenant&tenant_id=${acme.id}`);
      await expect.poll(async () => (await byTenant()).json.items.length).toBe(1);
      expect((await root.get('/api/admin/audit?to=2020-01-01')).json.items).toEqual([]);
      expect((await root.get('/api/admin/audit?from=2020-01-01&limit=1')).json.items).toHaveLength(1);
      expect((await root.get('/api/admin/audit?tenant_id=acme')).status).toBe(422);
    });
  });
});

describe('the last platform admin', () => {
  let t: TestApp;
  let root: SignedInAdmin & { id: string };
  beforeAll(async () => {
    t = await createTestApp(ROOT_ENV);
    const signedIn = await signInAdmin(t);
    root = { ...signedIn, id: (await signedIn.get('/api/admin/auth/me')).json.id };
  });
  afterAll(() => t.close());

  it('can be neither disabled nor given another role', async () => {
    for (const change of [{ status: 'disabled' }, { role: 'support' }]) {
      const answer = await root.send('PATCH', `/api/admin/admins/${root.id}`, change);
      expect([answer.status, answer.json.code]).toEqual([409, 'last_platform_admin']);
    }
    expect((await root.send('PATCH', `/api/admin/admins/${root.id}`, { name: 'Rooter' })).json.name).toBe('Rooter');
  });

  it('is there even after three admins disable each other at once', async () => {
    const all = [root, await addAdmin(t, root, 'anna', 'admin'), await addAdmin(t, root, 'bert', 'admin')];
    const answers = await Promise.all(
      all.flatMap((by) =>
        all
          .filter((whom) => whom !== by)
          .map((whom) => by.send('PATCH', `/api/admin/admins/${whom.id}`, { status: 'disabled' })),
      ),
    );
    expect(answers.filter(({ status }) => ![200, 401, 403, 409].includes(status))).toEqual([]);
    const left = await t.database.admin(
      `SELECT id FROM platform.platform_admins WHERE role = 'admin' AND status = 'active'`,
    );
    expect(left).toHaveLength(1);
  });
});

describe('outside demo mode a platform admin', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({ ...ROOT_ENV, DEMO: 'off' });
  });
  afterAll(() => t.close());
  const login = () => platformLogin(t, ROOT.email, ROOT.password);
  const post = (route: string, body: object) => t.request('POST', `/api/admin/auth/${route}`, { body });
  let secret: string;
  let recoveryCodes: string[];
  let admin: SignedInAdmin;

  it('sets up a second factor before anything else', async () => {
    const asked = await login();
    expect([asked.status, asked.json.code]).toEqual([401, 'mfa_enrolment_required']);
    const { mfa_token } = asked.json;
    expect((await post('login/mfa', { mfa_token, code: '123456' })).json.code).toBe('mfa_refused');
    const enrolled = await post('mfa/enrol', { mfa_token });
    expect(enrolled.json.otpauth_uri).toContain(encodeURIComponent(ROOT.email));
    secret = enrolled.json.secret;
    expect((await post('mfa/confirm', { mfa_token, code: totpCode(secret, 500) })).status).toBe(401);
    const confirmed = await post('mfa/confirm', { mfa_token, code: totpCode(secret) });
    expect(confirmed.json).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    recoveryCodes = confirmed.json.recovery_codes;
    expect(recoveryCodes).toHaveLength(10);
    admin = adminBearer(t, confirmed.json.access_token);
    expect((await admin.get('/api/admin/auth/me')).json).toMatchObject({ mfa_enabled: true, recovery_codes: 10 });
    const stored = await t.database.admin<{ mfa_secret: Buffer }>('SELECT mfa_secret FROM platform.platform_admins');
    expect(stored[0]?.mfa_secret.toString('latin1')).not.toContain(secret);
  });

  it('signs in with a code, which works once, as does the mfa_token', async () => {
    const { mfa_token } = (await login()).json;
    const code = totpCode(secret, 1);
    expect((await post('login/mfa', { mfa_token, code })).status).toBe(200);
    expect((await post('login/mfa', { mfa_token, recovery_code: recoveryCodes[9] })).json.code).toBe('mfa_refused');
    const again = (await login()).json;
    expect(again.code).toBe('mfa_required');
    expect((await post('login/mfa', { mfa_token: again.mfa_token, code })).json.code).toBe('mfa_refused');
  });

  it('signs in with a recovery code, which works once, also at the same time', async () => {
    const tokens = [(await login()).json.mfa_token, (await login()).json.mfa_token];
    const answers = await Promise.all(
      tokens.map((mfa_token) => post('login/mfa', { mfa_token, recovery_code: recoveryCodes[0]!.toLowerCase() })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  it('cannot replace the factor with a password alone', async () => {
    const { mfa_token } = (await login()).json;
    expect((await post('mfa/enrol', { mfa_token })).json.code).toBe('mfa_refused');
    expect((await post('mfa/confirm', { mfa_token, code: '123456' })).json.code).toBe('mfa_refused');
    const enrol = (body: object) => admin.send('POST', '/api/admin/auth/mfa/enrol', body);
    expect((await enrol({ password: ROOT.password })).json.code).toBe('mfa_refused');
    expect((await enrol({ password: 'wrong', recovery_code: recoveryCodes[1] })).json.code).toBe('sign_in_refused');
    const replaced = await enrol({ password: ROOT.password, recovery_code: recoveryCodes[1] });
    // Until it is confirmed the present one is in force.
    const before = (await login()).json.mfa_token;
    expect((await post('login/mfa', { mfa_token: before, recovery_code: recoveryCodes[2] })).status).toBe(200);
    const code = totpCode(replaced.json.secret);
    const confirmed = await admin.send('POST', '/api/admin/auth/mfa/confirm', { code });
    expect(confirmed.json).toEqual({ recovery_codes: expect.any(Array) });
    const after = (await login()).json.mfa_token;
    expect((await post('login/mfa', { mfa_token: after, recovery_code: recoveryCodes[3] })).status).toBe(401);
    secret = replaced.json.secret;
    recoveryCodes = confirmed.json.recovery_codes;
  });

  it('makes new recovery codes with both factors, and the old ones are void', async () => {
    const renew = (body: object) => admin.send('POST', '/api/admin/auth/mfa/recovery-codes', body);
    expect((await renew({ password: ROOT.password })).json.code).toBe('mfa_refused');
    const renewed = await renew({ password: ROOT.password, code: totpCode(secret, 1) });
    expect(renewed.json.recovery_codes).toHaveLength(10);
    const { mfa_token } = (await login()).json;
    expect((await post('login/mfa', { mfa_token, recovery_code: recoveryCodes[0] })).status).toBe(401);
    recoveryCodes = renewed.json.recovery_codes;
  });

  it('leaves a trace of a wrong code in the log, as of a wrong password', async () => {
    const refused = async () =>
      (await admin.get('/api/admin/audit?event=platform-admin.mfa-refused')).json.items as { target_id: string }[];
    const before = (await refused()).length;
    expect(before).toBeGreaterThan(0);
    const { id } = (await admin.get('/api/admin/auth/me')).json;
    expect((await refused())[0]?.target_id).toBe(id);
  });

  it('has no half-done sign-in left after signing out everywhere, not even one that began at that moment', async () => {
    const { mfa_token } = (await login()).json;
    expect((await admin.send('POST', '/api/admin/auth/logout-all')).status).toBe(204);
    expect(await t.database.admin('SELECT 1 FROM platform.platform_mfa_challenges')).toEqual([]);
    const give = (token: string, n: number) => post('login/mfa', { mfa_token: token, recovery_code: recoveryCodes[n] });
    expect((await give(mfa_token, 4)).json.code).toBe('mfa_refused');
    const racing = (await login()).json.mfa_token;
    await t.database.admin('UPDATE platform.platform_admins SET token_version = token_version + 1');
    expect((await give(racing, 5)).json.code).toBe('mfa_refused');
    const again = await give((await login()).json.mfa_token, 6);
    expect(again.status).toBe(200);
    admin = adminBearer(t, again.json.access_token);
  });

  it('does not count a code as wrong that the database could not look at', async () => {
    const tokens: string[] = [];
    while (tokens.length < 6) tokens.push((await login()).json.mfa_token);
    await t.database.admin(`CREATE FUNCTION platform.away() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'away'; END $$`);
    await t.database.admin(`CREATE TRIGGER away BEFORE UPDATE OF recovery_hashes ON platform.platform_admins
      FOR EACH ROW EXECUTE FUNCTION platform.away()`);
    for (const mfa_token of tokens.slice(0, 5)) {
      expect((await post('login/mfa', { mfa_token, recovery_code: recoveryCodes[7] })).status).toBe(500);
    }
    await t.database.admin('DROP TRIGGER away ON platform.platform_admins');
    expect((await post('login/mfa', { mfa_token: tokens[5], recovery_code: recoveryCodes[7] })).status).toBe(200);
  });

  it('has five tries, however many are sent at once', async () => {
    const { mfa_token } = (await login()).json;
    const wrong = await Promise.all(
      Array.from({ length: 5 }, () => post('login/mfa', { mfa_token, code: totpCode(secret, 900) })),
    );
    expect(wrong.every(({ status }) => status === 401 || status === 429)).toBe(true);
    expect((await post('login/mfa', { mfa_token, recovery_code: recoveryCodes[1] })).json.code).toBe('mfa_refused');
  });

  it('who lost the factor and every code has it taken by another admin, for a reason, and sets up another', async () => {
    const id = (await admin.get('/api/admin/auth/me')).json.id as string;
    const [other, weak] = [await adminToken(t, 'admin'), await adminToken(t, 'read-only')];
    const reset = (token: string, reason: unknown = 'Lost the phone; recognised in a call', whom = id) =>
      adminBearer(t, token).send('POST', `/api/admin/admins/${whom}/reset-second-factor`, { reason });
    expect((await reset(weak)).json.code).toBe('permission_missing');
    expect((await reset(other, 'lost')).json.errors[0].pointer).toBe('/reason');
    expect((await reset(admin.accessToken)).json.code).toBe('own_second_factor');
    expect((await reset(other, undefined, 'nonsense')).json.code).toBe('admin_not_found');
    expect((await reset(other)).status).toBe(204);
    await expect.poll(async () => (await admin.get('/api/admin/auth/me')).status, { timeout: 1000 }).toBe(401);
    expect((await reset(other)).json.code).toBe('mfa_not_enrolled');
    expect((await login()).json.code).toBe('mfa_enrolment_required');
    const [event] = await t.database.admin(
      `SELECT reason, target_id FROM platform.audit_events WHERE event = 'platform-admin.second-factor-reset'`,
    );
    expect(event).toEqual({ reason: 'Lost the phone; recognised in a call', target_id: id });
  });

  it('is not made of a password that is guessed', async () => {
    const database = await createTestDatabase({ ...ROOT_ENV, PLATFORM_ADMIN_PASSWORD: 'password123', DEMO: 'off' });
    try {
      await expect(serveTestApp(database)).rejects.toThrow(/PLATFORM_ADMIN_PASSWORD="\*\*\*" is not allowed/);
    } finally {
      await database.drop();
    }
  });
});

describe('a platform admin who signed in without a second factor, in demo mode,', () => {
  it('is let in no further by a process outside it, by access token or refresh token', async () => {
    const t = await createTestApp(ROOT_ENV);
    const { database } = t;
    const strict = await serveTestApp({
      ...database,
      env: { ...database.env, demo: false },
      drop: () => Promise.resolve(),
    });
    try {
      const root = await signInAdmin(t);
      expect((await root.get('/api/admin/auth/me')).status).toBe(200);
      expect((await adminBearer(strict, root.accessToken).get('/api/admin/auth/me')).status).toBe(401);
      const refresh = (app: TestApp) =>
        app.request('POST', '/api/admin/auth/refresh', { body: { refresh_token: root.refreshToken } });
      const refused = await refresh(strict);
      expect([refused.status, refused.json.code]).toEqual([401, 'sign_in_again']);
      expect((await platformLogin(strict, ROOT.email, ROOT.password)).json.code).toBe('mfa_enrolment_required');
      expect((await refresh(t)).status).toBe(200);
    } finally {
      await strict.close();
      await t.close();
    }
  });
});

describe('the first start of an embedded database', { timeout: 120_000 }, () => {
  it('shows a one-time password on the screen, once, and never in the log', async () => {
    const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-first-'));
    try {
      const first = await startProcess({ DATA_DIR: dataDir, LOG_LEVEL: 'trace' });
      await first.said('Try it:');
      const [, email, password] =
        /Admin\s+(\S+) \(one-time password (\S+), shown only now\)/.exec(first.output()) ?? [];
      expect(email).toBe('admin@localhost');
      const answer = await fetch(`http://127.0.0.1:${first.port}/api/admin/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
      });
      const { access_token } = (await answer.json()) as { access_token: string };
      const audit = await fetch(`http://127.0.0.1:${first.port}/api/admin/audit`, {
        headers: { authorization: `Bearer ${access_token}` },
      });
      expect(await audit.json()).toMatchObject({ status: 403, code: 'password_change_required' });
      first.child.kill('SIGTERM');
      await first.exited;
      const logged = first
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'));
      expect(logged.length).toBeGreaterThan(1);
      expect(logged.filter((line) => line.includes(password!))).toEqual([]);

      const second = await startProcess({ DATA_DIR: dataDir });
      await second.said('Try it:');
      expect(second.output()).not.toContain('one-time password');
      second.child.kill('SIGTERM');
      await second.exited;
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
