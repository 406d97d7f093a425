import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/index.js';
import { TenantResources } from '../../src/resources/index.js';
import { liftAddressLimits, newPerson } from '../kit/people.js';
import { totpCode } from '../kit/platform.js';
import { bearer, signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { CLIENT, startOidc, TestBrowser, type TestOidc } from '../kit/test-oidc.js';

const here = (slug: string) => `http://${slug}.localhost:8001`;
const callbackOf = (slug: string) => `${here(slug)}/api/auth/sso/callback`;
const APP = 'https://app.acme.example';
const isCallback = (url: URL) => url.pathname === '/api/auth/sso/callback';
const isFrontEnd = (url: URL) => url.pathname === '/sso';

let t: TestApp;
let oidc: TestOidc;
let owner: SignedIn;
let globexOwner: SignedIn;

const configure = async (who: SignedIn, settings: Record<string, unknown>) => {
  const answer = await who.send('PATCH', '/api/config', { settings });
  if (answer.status !== 200) throw new Error(answer.text);
};
const working = () => ({ 'sso.issuer': oidc.issuer, 'sso.client_id': CLIENT.id, 'sso.client_secret': CLIENT.secret });

beforeAll(async () => {
  t = await createTestApp({ OUTBOUND_ALLOW: '127.0.0.1/32', PUBLIC_URL: 'http://localhost:8001' });
  oidc = await startOidc([callbackOf('acme'), callbackOf('globex')]);
  await liftAddressLimits(t);
  [owner, globexOwner] = [await signIn(t, 'acme', 'owner'), await signIn(t, 'globex', 'owner')];
  await configure(owner, { ...working(), 'app.url': APP });
});
beforeEach(() => {
  oidc.person = { sub: 'member-1', email: 'Member@acme.example', email_verified: true, name: 'Member' };
});
afterAll(async () => {
  await oidc.stop();
  await t.close();
});

/** A page that begins a sign-in, with what it keeps. */
function page(slug = 'acme', browser = new TestBrowser(t)) {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = sha256(verifier).toString('base64url');
  return { browser, verifier, start: `${here(slug)}/api/auth/sso/start?code_challenge=${challenge}` };
}
const fragment = (url: URL) => Object.fromEntries(new URLSearchParams(url.hash.slice(1)));
/** Goes through a whole sign-in up to the front end. */
async function comeBack(slug?: string) {
  const { browser, verifier, start } = page(slug);
  const arrived = await browser.follow(start, isFrontEnd);
  return { browser, verifier, arrived, told: fragment(arrived) as { code: string; error?: string } };
}
/** Stops where the provider sends the browser back to. */
async function answered(slug?: string, change: (url: URL) => void = () => undefined) {
  const { browser, verifier, start } = page(slug);
  const { location } = await browser.get(start);
  const url = new URL(location!);
  change(url);
  return { browser, verifier, answer: await browser.follow(url.href, isCallback) };
}
const finish = async (browser: TestBrowser, answer: URL) => {
  const { status, location } = await browser.get(answer.href);
  return { status, told: fragment(new URL(location!)) };
};
const redeem = (slug: string, code: string, code_verifier: string, more = {}) =>
  t.request('POST', '/api/auth/sso/redeem', {
    headers: { 'x-tenant-id': slug },
    body: { code, code_verifier, ...more },
  });
const signInBySso = async () => {
  const { told, verifier } = await comeBack();
  return redeem('acme', told.code, verifier);
};
const inLog = async (slug: string, event: string) =>
  t.database.admin<{ details: Record<string, string> }>(
    'SELECT details FROM everywhere.audit_events WHERE tenant_id = $1 AND event = $2 ORDER BY id',
    [(await t.tenant(slug)).id, event],
  );
/** Waits for the reason of a refusal in the tenant's log; security events are written within a second. */
const refusedFor = async (reason: string) =>
  expect
    .poll(async () => (await inLog('acme', 'user.sign-in-refused')).map(({ details }) => details['reason']))
    .toContain(reason);
const health = async (slug: string) =>
  t.app
    .get(TenantResources)
    .healthOf(await t.tenant(slug))
    .find(({ resource }) => resource === 'sso')!;
const identities = () =>
  t.database.admin<{ issuer: string; subject: string; email_key: string }>(
    `SELECT i.issuer, i.subject, u.email_key FROM everywhere.external_identities i
       JOIN everywhere.users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id ORDER BY i.subject`,
  );

describe('single sign-on', () => {
  it('tells the sign-in page whether there is one, and the admin what to register', async () => {
    await configure(owner, { 'sso.label': 'Acme login' });
    const view = (slug: string) => t.request('GET', '/api/auth/sso', { headers: { 'x-tenant-id': slug } });
    expect((await view('acme')).json).toEqual({
      enabled: true,
      label: 'Acme login',
      start_url: `${here('acme')}/api/auth/sso/start`,
      redirect_uri: callbackOf('acme'),
    });
    expect((await view('globex')).json).toMatchObject({ enabled: false, label: 'Single sign-on' });
    const { status, text } = await new TestBrowser(t).get(page('globex').start);
    expect([status, JSON.parse(text).code]).toEqual([404, 'sso_not_configured']);
  });

  it('signs the member of acme in whose verified address the provider tells, and links them for good', async () => {
    const { browser, told, verifier, arrived } = await comeBack();
    expect(arrived.origin).toBe(APP);
    const answer = await redeem('acme', told.code, verifier);
    expect(answer.json).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
    });
    const me = await bearer(t, 'acme', answer.json.access_token).get('/api/auth/me');
    expect(me.json).toMatchObject({ email: 'member@acme.example', role: 'member' });
    expect(await identities()).toEqual([
      { issuer: oidc.issuer, subject: 'member-1', email_key: 'member@acme.example' },
    ]);
    expect(await inLog('acme', 'external-identity.linked')).toHaveLength(1);
    expect((await inLog('acme', 'user.signed-in')).at(-1)?.details).toMatchObject({ by: 'sso' });
    const addresses = browser.visited.join(' ') + arrived.href;
    for (const token of [answer.json.access_token, answer.json.refresh_token]) expect(addresses).not.toContain(token);
    expect(browser.cookies('acme.localhost').size).toBe(0);
    const { status } = await t.request('POST', '/api/auth/refresh', {
      headers: { 'x-tenant-id': 'acme' },
      body: { refresh_token: answer.json.refresh_token },
    });
    expect(status).toBe(200);
  });

  it('knows a person again by the subject, whatever became of the address', async () => {
    oidc.person = { sub: 'member-1', email: 'married@acme.example', email_verified: false };
    const { json } = await signInBySso();
    expect((await bearer(t, 'acme', json.access_token).get('/api/auth/me')).json.email).toBe('member@acme.example');
  });

  it('does not let in who got the address of a linked person later', async () => {
    oidc.person = { sub: 'member-2', email: 'member@acme.example', email_verified: true };
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await refusedFor('linked to another account of the provider');
  });

  it('hands the refresh token over in a cookie when the page asks for that', async () => {
    const { told, verifier } = await comeBack();
    const answer = await redeem('acme', told.code, verifier, { cookie: true });
    expect(answer.json).toMatchObject({ csrf_token: expect.any(String) });
    expect(answer.json.refresh_token).toBeUndefined();
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^tenantry_refresh_acme=.+HttpOnly; SameSite=Strict$/);
  });

  it('shows the person what is held of that, and forgets it with them', async () => {
    const { id, email } = await newPerson(t, 'acme');
    await t.database.admin('UPDATE everywhere.users SET email_verified_at = now() WHERE id = $1', [id]);
    oidc.person = { sub: 'leaver', email, email_verified: true };
    const { json } = await signInBySso();
    const leaver = bearer(t, 'acme', json.access_token);
    expect((await leaver.get('/api/auth/me/data')).json.external_identities).toEqual([
      { issuer: oidc.issuer, subject: 'leaver', linked_at: expect.any(String) },
    ]);
    expect((await leaver.send('DELETE', '/api/auth/me', { password: 'demo-password' })).status).toBe(204);
    expect((await identities()).map(({ subject }) => subject)).not.toContain('leaver');
  });

  it('is unlinked by the person, who keeps another way to sign in, or by an admin, and the log has it', async () => {
    const linked = async () => {
      const { id, email } = await newPerson(t, 'acme');
      await t.database.admin('UPDATE everywhere.users SET email_verified_at = now() WHERE id = $1', [id]);
      oidc.person = { sub: `sub of ${id}`, email, email_verified: true };
      const { json } = await signInBySso();
      const person = bearer(t, 'acme', json.access_token);
      const items = (await person.get('/api/auth/identities')).json.items as { id: string }[];
      return { id, person, items, unlink: () => person.send('DELETE', `/api/auth/identities/${items[0]!.id}`) };
    };
    const [one, two] = [await linked(), await linked()];
    const view = { issuer: oidc.issuer, subject: `sub of ${one.id}`, linked_at: expect.any(String) };
    expect(one.items).toEqual([{ id: expect.any(String), ...view }]);
    for (const id of [one.items[0]!.id, 'nonsense']) {
      const foreign = await two.person.send('DELETE', `/api/auth/identities/${id}`);
      expect([foreign.status, foreign.json.code]).toEqual([404, 'identity_not_found']);
    }
    await t.database.admin('UPDATE everywhere.users SET password_hash = NULL WHERE id = $1', [one.id]);
    const last = await one.unlink();
    expect([last.status, last.json.code]).toEqual([409, 'last_way_to_sign_in']);
    expect((await two.unlink()).status).toBe(204);
    expect((await two.unlink()).status).toBe(404);

    const ofOne = `/api/users/${one.id}/identities`;
    expect((await two.person.get(ofOne)).status).toBe(403);
    expect((await globexOwner.get(ofOne)).status).toBe(404);
    expect((await globexOwner.send('DELETE', `${ofOne}/${one.items[0]!.id}`)).status).toBe(404);
    expect((await owner.get(ofOne)).json.items).toEqual(one.items);
    expect((await owner.send('DELETE', `${ofOne}/${one.items[0]!.id}`)).status).toBe(204);
    expect((await owner.get(ofOne)).json.items).toEqual([]);
    expect(await inLog('acme', 'external-identity.unlinked')).toEqual(
      [0, 1].map(() => ({ details: { issuer: oidc.issuer } })),
    );
    // Nobody reaches who holds more.
    oidc.person = { sub: 'owner-1', email: 'owner@acme.example', email_verified: true };
    expect((await signInBySso()).status).toBe(200);
    const { items } = (await owner.get('/api/auth/identities')).json;
    const { id } = (await owner.get('/api/auth/me')).json;
    const admin = await signIn(t, 'acme', 'admin');
    expect((await admin.send('DELETE', `/api/users/${id}/identities/${items[0].id}`)).status).toBe(403);
  });

  it('asks for the second factor that the role needs, and the log says how it went', async () => {
    await configure(owner, { 'auth.mfa_roles': ['viewer'] });
    oidc.person = { sub: 'viewer-1', email: 'viewer@acme.example', email_verified: true };
    const asked = await signInBySso();
    expect([asked.status, asked.json.code]).toEqual([401, 'mfa_enrolment_required']);
    const post = (path: string, body: object) =>
      t.request('POST', `/api/auth/${path}`, { headers: { 'x-tenant-id': 'acme' }, body });
    const { mfa_token } = asked.json;
    const { secret } = (await post('mfa/enrol', { mfa_token })).json;
    expect((await post('mfa/confirm', { mfa_token, code: totpCode(secret) })).status).toBe(200);
    expect((await inLog('acme', 'user.signed-in')).at(-1)?.details['by']).toBe('sso and new second factor');
    await configure(owner, { 'auth.mfa_roles': null });
  });
});

describe('the way back from the provider', () => {
  it('is closed without the cookie of who began, and with another state', async () => {
    const { browser, answer } = await answered();
    expect((await finish(new TestBrowser(t), answer)).told).toEqual({ error: 'sso_state_refused' });
    const other = new URL(answer);
    other.searchParams.set('state', 'x'.repeat(43));
    expect(await finish(browser, other)).toEqual({ status: 303, told: { error: 'sso_state_refused' } });
    await refusedFor('sso_state_refused');
  });

  it('is open once: neither the same answer nor its code in a later sign-in comes through again', async () => {
    const { browser, answer } = await answered();
    const cookies = new Map(browser.cookies('acme.localhost'));
    expect((await finish(browser, answer)).told).toEqual({ code: expect.any(String) });
    for (const [name, value] of cookies) browser.cookies('acme.localhost').set(name, value);
    expect((await finish(browser, answer)).told).toEqual({ error: 'sso_state_refused' });

    const later = await answered();
    later.answer.searchParams.set('code', answer.searchParams.get('code')!);
    expect((await finish(later.browser, later.answer)).told).toEqual({ error: 'sso_refused' });
    await refusedFor('answer of the provider not accepted');
    expect((await health('acme')).state).toBe('ok');
  });

  it("does not take acme's state at globex, and acme is told of the attempt", async () => {
    await configure(globexOwner, working());
    const { browser, answer } = await answered();
    const sealed = browser.cookies('acme.localhost').get('tenantry_sso_acme')!;
    browser.cookies('globex.localhost').set('tenantry_sso_globex', sealed);
    const elsewhere = new URL(answer.href.replace('//acme.', '//globex.'));
    expect((await finish(browser, elsewhere)).told).toEqual({ error: 'sso_state_refused' });
    await expect
      .poll(async () => (await inLog('acme', 'cross_tenant_access_attempt')).map(({ details }) => details['target']))
      .toContain('globex');
  });

  it('does not take an ID token of another sign-in', async () => {
    const { browser, answer } = await answered('acme', (url) => url.searchParams.set('nonce', 'of another sign-in'));
    expect((await finish(browser, answer)).told).toEqual({ error: 'sso_refused' });
  });

  it('leads nowhere for who declines', async () => {
    oidc.person = undefined;
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await refusedFor('declined at the provider');
  });
});

describe('a code for tokens', () => {
  it('works once, and only with what the page kept that began', async () => {
    const [first, second] = [await comeBack(), await comeBack()];
    const wrong = await redeem('acme', first.told.code, second.verifier);
    expect([wrong.status, wrong.json.code]).toEqual([401, 'sso_code_refused']);
    expect((await redeem('acme', first.told.code, first.verifier)).status).toBe(401);
    const both = [0, 1].map(() => redeem('acme', second.told.code, second.verifier));
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  it('of acme is nothing at globex', async () => {
    const { told, verifier } = await comeBack();
    expect((await redeem('globex', told.code, verifier)).json.code).toBe('sso_code_refused');
    expect((await redeem('acme', told.code, verifier)).status).toBe(200);
  });

  it('is void after a minute, and once the person has signed out everywhere or was disabled', async () => {
    const late = await comeBack();
    await t.database.admin(`UPDATE everywhere.sso_sign_ins SET redeemable_until = now() - interval '1 second'`);
    expect((await redeem('acme', late.told.code, late.verifier)).status).toBe(401);
    const out = await comeBack();
    const member = await signIn(t, 'acme', 'member');
    expect((await member.send('POST', '/api/auth/logout-all')).status).toBe(204);
    expect((await redeem('acme', out.told.code, out.verifier)).json.code).toBe('sso_code_refused');
  });
});

describe('who is not let in by the provider alone', () => {
  it.each([
    ['says nothing of the address', { sub: 'a' }, 'address not verified by the provider'],
    [
      'has not verified the address',
      { sub: 'b', email: 'admin@acme.example', email_verified: false },
      'address not verified by the provider',
    ],
    ['is unknown here', { sub: 'c', email: 'nobody@acme.example', email_verified: true }, 'unknown person'],
  ])('%s', async (_what, person, reason) => {
    oidc.person = person;
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await refusedFor(reason);
    expect((await identities()).map(({ subject }) => subject)).not.toContain(person.sub);
  });

  it('shares an account with somebody who never showed that the address is theirs', async () => {
    const { email } = await newPerson(t, 'acme');
    oidc.person = { sub: 'shared', email, email_verified: true };
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await refusedFor('address not verified here');
  });

  it('is disabled, or of a tenant that is suspended', async () => {
    const { id, email } = await newPerson(t, 'acme');
    await t.database.admin('UPDATE everywhere.users SET email_verified_at = now() WHERE id = $1', [id]);
    oidc.person = { sub: 'disabled', email, email_verified: true };
    expect((await signInBySso()).status).toBe(200);
    await owner.send('PATCH', `/api/users/${id}`, { status: 'disabled' });
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await refusedFor('disabled person');

    oidc.person = { sub: 'member-1' };
    const suspend = async (status: string) => {
      await t.database.admin(`UPDATE platform.tenants SET status = $1 WHERE slug = 'acme'`, [status]);
      await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'acme')`);
      await expect.poll(async () => (await t.tenant('acme')).status).toBe(status);
    };
    await suspend('suspended');
    expect((await comeBack()).told).toEqual({ error: 'tenant_suspended' });
    oidc.person = { sub: 'owner-1', email: 'owner@acme.example', email_verified: true };
    expect((await signInBySso()).status).toBe(200);
    await suspend('active');
  });

  it('becomes a member once, where acme wants that, with an address in one of its domains', async () => {
    oidc.person = { sub: 'new', email: 'New.Person@sub.acme.example', email_verified: true, name: 'New\nPerson' };
    await configure(owner, { 'sso.provision': true });
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await configure(owner, { 'sso.domains': ['acme.example'] });
    expect((await comeBack()).told).toEqual({ error: 'sso_refused' });
    await configure(owner, { 'sso.domains': ['acme.example', 'sub.acme.example'] });
    const [one, two] = [await answered(), await answered()];
    const ends = await Promise.all([one, two].map(({ browser, answer }) => finish(browser, answer)));
    expect(ends.map(({ told }) => Object.keys(told))).toEqual([['code'], ['code']]);
    const { json } = await redeem('acme', ends[0]!.told['code']!, one.verifier);
    expect((await bearer(t, 'acme', json.access_token).get('/api/auth/me')).json).toMatchObject({
      name: 'New Person',
      role: 'member',
      email_verified: true,
    });
    expect((await identities()).filter(({ subject }) => subject === 'new')).toHaveLength(1);
    expect((await inLog('acme', 'user.created')).at(-1)?.details).toMatchObject({ by: 'sso' });
  });
});

describe('a bad setting', () => {
  const startAt = async (slug: string) => {
    const { status, text } = await new TestBrowser(t).get(page(slug).start);
    return [status, status === 303 ? undefined : JSON.parse(text).code];
  };

  it('of globex harms globex alone, whose admin can read what it is', async () => {
    await configure(globexOwner, { ...working(), 'sso.issuer': 'http://127.0.0.1:1' });
    expect(await startAt('globex')).toEqual([503, 'resource_unavailable']);
    expect(await health('globex')).toMatchObject({ state: 'failing', lastError: 'The provider cannot be reached.' });
    expect(await startAt('acme')).toEqual([303, undefined]);
    expect((await health('acme')).state).toBe('ok');
    await configure(globexOwner, working());
    expect(await startAt('globex')).toEqual([303, undefined]);
  });

  it('that leads to a private address reaches nothing, with https or without', async () => {
    const before = oidc.requests();
    for (const protocol of ['http:', 'https:']) {
      await configure(globexOwner, {
        'sso.client_secret': CLIENT.secret,
        'sso.issuer': oidc.at('127.0.0.2').replace('http:', protocol),
      });
      expect(await startAt('globex')).toEqual([503, 'resource_unavailable']);
      expect((await health('globex')).lastError).toBe('The host "127.0.0.2" has no address that may be connected to.');
    }
    expect(oidc.requests()).toBe(before);
  });

  it('is refused where it can be seen at once', async () => {
    for (const issuer of ['ftp://acme.example', 'https://a:b@acme.example', 'https://acme.example/?x', 'acme', 7]) {
      const answer = await owner.send('PUT', '/api/config/sso.issuer', { value: issuer });
      expect([issuer, answer.status]).toEqual([issuer, 422]);
    }
    const admin = await signIn(t, 'acme', 'admin');
    const answer = await admin.send('PUT', '/api/config/sso.issuer', { value: 'https://mallory.example' });
    expect([answer.status, answer.json.code]).toEqual([403, 'setting_not_yours']);
  });

  it('such as another client secret is in force at once, and the right one again', async () => {
    await configure(owner, { 'sso.client_secret': 'not the secret' });
    expect((await comeBack()).told).toEqual({ error: 'resource_unavailable' });
    expect((await health('acme')).lastError).toBe('The provider does not accept sso.client_id or sso.client_secret.');
    await configure(owner, { 'sso.client_secret': CLIENT.secret });
    expect((await signInBySso()).status).toBe(200);
    expect((await health('acme')).state).toBe('ok');
    expect(t.logs.join('')).not.toContain(CLIENT.secret);
  });
});

it('is limited by address as signing in is', async () => {
  await t.database.admin(`UPDATE platform.tenants SET plan = 'basic' WHERE slug = 'initech'`);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'initech')`);
  await expect.poll(async () => (await t.tenant('initech')).plan).toBe('basic');
  const statuses = new Set<number>();
  const ways = [
    ['GET', 'start?code_challenge=x'],
    ['GET', 'callback'],
    ['POST', 'redeem'],
  ] as const;
  for (let n = 0; n < 21; n += 1) {
    for (const [method, path] of ways) {
      const answer = await t.request(method, `/initech/api/auth/sso/${path}`);
      statuses.add(answer.status);
    }
  }
  expect([...statuses].sort()).toEqual([303, 422, 429]);
});
