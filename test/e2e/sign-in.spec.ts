import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ChangeFeed } from '../../src/changes/index.js';
import { TenantLookUp } from '../../src/tenancy/index.js';
import { holdRows } from '../kit/held-rows.js';
import { liftAddressLimits, newPerson } from '../kit/people.js';
import { secondInstance } from '../kit/platform.js';
import { bearer, signIn, signInAs } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const withinASecond = { timeout: 1000, interval: 20 };

let t: TestApp;
let other: TestApp;
beforeAll(async () => {
  t = await createTestApp();
  other = await secondInstance(t.database);
  await liftAddressLimits(t);
});
afterAll(async () => {
  await other.close();
  await t.close();
});

const refresh = (tenant: string, token: string) =>
  t.request('POST', '/api/auth/refresh', { headers: { 'x-tenant-id': tenant }, body: { refresh_token: token } });
const logout = (tenant: string, token: string) =>
  t.request('POST', '/api/auth/logout', { headers: { 'x-tenant-id': tenant }, body: { refresh_token: token } });
const meOf = async (who: { get(path: string): Promise<{ status: number }> }) => (await who.get('/api/auth/me')).status;
const onOther = (tenant: string, { accessToken }: { accessToken: string }) => bearer(other, tenant, accessToken);
/** Who was told of an attempt at another tenant, and where it was made. */
const attemptsAt = (route: string) =>
  t.database.admin(
    `SELECT tenant_id, details->>'target' AS target FROM everywhere.audit_events
      WHERE event = 'cross_tenant_access_attempt' AND details->>'route' = $1`,
    [route],
  );

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
        () =>
          t.database.admin(`SELECT tenant_id FROM everywhere.audit_events WHERE event = 'cross_tenant_access_attempt'`),
        { timeout: 10_000 },
      )
      .toEqual([{ tenant_id: globexId }]);
  });
});

describe('signing in while', () => {
  it('somebody signs the user out everywhere leaves no token that is dead when it is given', async () => {
    const quinn = await newPerson(t, 'acme');
    const raise = 'UPDATE everywhere.users SET token_version = token_version + 1 WHERE id = $1';
    const held = await holdRows(t.database, raise, [quinn.id]);
    const signingIn = t.request('POST', '/api/auth/login', {
      headers: { 'x-tenant-id': 'acme' },
      body: { email: quinn.email, password: 'demo-password' },
    });
    await expect.poll(() => held.waiting(), { timeout: 5000 }).toBe(1);
    await held.release();
    expect((await signingIn).status).toBe(401);
    expect(await meOf(await signInAs(t, 'acme', quinn.email, 'demo-password'))).toBe(200);
  });

  it('fifty devices are signed in makes room: the one that was longest unused is signed out', async () => {
    const quinn = await newPerson(t, 'acme');
    const first = await signInAs(t, 'acme', quinn.email, 'demo-password');
    await t.database.admin(
      `INSERT INTO everywhere.devices (tenant_id, id, user_id, name, token_hash, last_used_at, expires_at)
       SELECT tenant_id, gen_random_uuid(), id, 'device ' || n, '', now() + n * interval '1 second', now() + interval '1 day'
         FROM everywhere.users, generate_series(1, 60) n WHERE id = $1`,
      [quinn.id],
    );
    expect(await meOf(first)).toBe(200);
    const newest = await signInAs(t, 'acme', quinn.email, 'demo-password');
    const left = await t.database.admin<{ name: string }>('SELECT name FROM everywhere.devices WHERE user_id = $1', [
      quinn.id,
    ]);
    const names = left.map(({ name }) => name);
    // Of the sixty the 49 used last, and the new one.
    expect([names.length, names.includes('device 12'), names.includes('device 11')]).toEqual([50, true, false]);
    expect([await meOf(newest), await meOf(first)]).toEqual([200, 401]);
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
    const reused = await t.database.admin(`SELECT 1 FROM everywhere.audit_events WHERE event = 'refresh-token.reused'`);
    expect(reused).toHaveLength(1);
  });

  it('whose answer was lost is answered again for ten seconds, and then is one that was used before', async () => {
    const { refreshToken } = await signIn(t, 'acme', 'member');
    const next = (await refresh('acme', refreshToken)).json.refresh_token;
    await t.database.admin(
      `UPDATE everywhere.devices SET rotated_at = rotated_at - interval '11 seconds' WHERE rotated_at IS NOT NULL`,
    );
    expect((await refresh('acme', refreshToken)).json.code).toBe('refresh_refused');
    expect((await refresh('acme', next)).status).toBe(401);
  });

  it('that is used again revokes its family and is recorded, or neither', async () => {
    const quinn = await newPerson(t, 'acme');
    const { refreshToken } = await signInAs(t, 'acme', quinn.email, 'demo-password');
    const next = (await refresh('acme', (await refresh('acme', refreshToken)).json.refresh_token)).json.refresh_token;
    await t.database.admin(`CREATE FUNCTION everywhere.full() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$`);
    await t.database.admin(`CREATE TRIGGER full_log BEFORE INSERT ON everywhere.audit_events
      FOR EACH ROW WHEN (NEW.event = 'refresh-token.reused') EXECUTE FUNCTION everywhere.full()`);
    const reused = () =>
      t.database.admin(
        `SELECT 1 FROM everywhere.audit_events WHERE event = 'refresh-token.reused' AND target_id = $1`,
        [quinn.id],
      );
    expect((await refresh('acme', refreshToken)).status).toBe(500);
    await t.database.admin('DROP TRIGGER full_log ON everywhere.audit_events');
    const later = await refresh('acme', next);
    expect(later.status).toBe(200);
    expect((await refresh('acme', refreshToken)).status).toBe(401);
    expect((await refresh('acme', later.json.refresh_token)).status).toBe(401);
    expect(await reused()).toHaveLength(1);
  });

  it('replayed twenty times at once makes exactly one successor', async () => {
    const { refreshToken } = await signIn(t, 'acme', 'member');
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh('acme', refreshToken)));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map((answer) => answer.json.refresh_token)).size).toBe(1);
  });

  // Each at a tenant of its own: equal attempts within ten seconds are counted in one row.
  it.each([
    ['refresh', 'globex'],
    ['logout', 'acme'],
  ])(
    'of initech is refused by %s at %s like one that is none, audited at initech, and stays good',
    async (route, at) => {
      const { refreshToken } = await signIn(t, 'initech', 'viewer');
      const present = (token: string) => (route === 'refresh' ? refresh : logout)(at, token);
      const [foreign, nonsense] = [await present(refreshToken), await present('nonsense')];
      expect(foreign.status).toBe(401);
      expect({ ...foreign.json, request_id: '' }).toEqual({ ...nonsense.json, request_id: '' });
      const { id } = await t.tenant('initech');
      const told = { tenant_id: id, target: at };
      await expect.poll(() => attemptsAt(`/api/auth/${route}`), { timeout: 10_000 }).toEqual([told]);
      expect((await refresh('initech', refreshToken)).status).toBe(200);
    },
  );

  it('in a cookie is not traded, nor its device signed out, by a page without the CSRF token of that device', async () => {
    const login = () =>
      t.request('POST', '/acme/api/auth/login', {
        body: { email: 'viewer@acme.example', password: 'demo-password', cookie: true },
      });
    const [mine, theirs] = [await login(), await login()];
    const cookie = String(mine.headers['set-cookie']).split(';')[0];
    const send = (route: string, csrf?: string) =>
      t.request('POST', `/acme/api/auth/${route}`, { headers: { cookie, ...(csrf && { 'x-csrf-token': csrf }) } });
    for (const route of ['refresh', 'logout']) {
      for (const csrf of [undefined, 'wrong', theirs.json.csrf_token, `${mine.json.csrf_token}x`]) {
        const answer = await send(route, csrf);
        expect([answer.status, answer.json.code]).toEqual([403, 'csrf_refused']);
      }
    }
    const user = bearer(t, 'acme', mine.json.access_token);
    expect(await meOf(user)).toBe(200);
    const out = await send('logout', mine.json.csrf_token);
    expect(out.status).toBe(204);
    expect(String(out.headers['set-cookie'])).toMatch(/^tenantry_refresh_acme=; Path=\/acme\/api\/auth; Max-Age=0; /);
    expect(await meOf(user)).toBe(401);
    expect((await send('refresh', mine.json.csrf_token)).status).toBe(401);
  });

  it('in a cookie goes with it when its user signs out everywhere', async () => {
    const login = await t.request('POST', '/acme/api/auth/login', {
      body: { email: 'viewer@acme.example', password: 'demo-password', cookie: true },
    });
    const headers = {
      cookie: String(login.headers['set-cookie']).split(';')[0],
      authorization: `Bearer ${login.json.access_token}`,
    };
    const out = await t.request('POST', '/acme/api/auth/logout-all', { headers });
    expect(out.status).toBe(204);
    expect(String(out.headers['set-cookie'])).toContain('tenantry_refresh_acme=; ');
    // The cookie alone does not sign anybody out.
    const { cookie } = headers;
    expect((await t.request('POST', '/acme/api/auth/logout-all', { headers: { cookie } })).status).toBe(401);
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

describe('what ends on one instance', () => {
  it('ends on another within a second: all devices, one device, a device that reused a token', async () => {
    const quinn = await newPerson(t, 'acme');
    const device = () => signInAs(t, 'acme', quinn.email, 'demo-password');
    const ends = async (who: { accessToken: string }) =>
      expect.poll(() => meOf(onOther('acme', who)), withinASecond).toBe(401);
    const [here, there] = [await device(), await device()];
    expect([await meOf(onOther('acme', here)), await meOf(onOther('acme', there))]).toEqual([200, 200]);
    const { items } = (await here.get('/api/auth/devices')).json;
    const away = items.find((one: { current: boolean }) => !one.current);
    expect((await here.send('DELETE', `/api/auth/devices/${away.id}`)).status).toBe(204);
    await ends(there);
    expect(await meOf(onOther('acme', here))).toBe(200);
    expect((await here.send('POST', '/api/auth/logout-all')).status).toBe(204);
    await ends(here);
    const third = await device();
    expect(await meOf(onOther('acme', third))).toBe(200);
    await refresh('acme', (await refresh('acme', third.refreshToken)).json.refresh_token);
    expect((await refresh('acme', third.refreshToken)).status).toBe(401);
    await ends(third);
  });

  it('begins on another with the very next request, though it has not heard of it', async () => {
    const rory = await newPerson(t, 'acme');
    const before = await signInAs(t, 'acme', rory.email, 'demo-password');
    expect(await meOf(onOther('acme', before))).toBe(200);
    const deaf = vi.spyOn(other.app.get(ChangeFeed, { strict: false }), 'emit').mockReturnValue(undefined);
    const device = await signInAs(t, 'acme', rory.email, 'demo-password');
    expect(await meOf(onOther('acme', device))).toBe(200);
    deaf.mockRestore();
  });
});

it('keeps the answers of 400 interleaved requests of two users apart', async () => {
  const [owner, viewer] = [await signIn(t, 'globex', 'owner'), await signIn(t, 'globex', 'viewer')];
  // As many at once are more than a plan lets through.
  await t.database.admin(
    `UPDATE platform.tenants SET settings = settings || '{"limits.concurrent_requests": 400}' WHERE slug IN ('globex')`,
  );
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  await expect
    .poll(async () => (await t.app.get(TenantLookUp).bySlug('globex'))?.settings)
    .toMatchObject({ 'limits.concurrent_requests': 400 });
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const who = index % 2 === 0 ? owner : viewer;
      return [index % 2 === 0 ? 'owner' : 'viewer', (await who.get('/api/auth/me')).json.role];
    }),
  );
  expect(answers.filter(([asked, told]) => asked !== told)).toEqual([]);
});
