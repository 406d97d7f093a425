import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { adminToken, apiKey, userToken } from '../kit/actors.js';
import { signIn } from '../kit/sign-in.js';
import { type Answer, createTestApp, type TestApp } from '../kit/test-app.js';

const DOMAINS = { acme: 'chat.acme-corp.com', globex: 'www.globex-corp.com', initech: 'initech-corp.com' };

/** As if the tenants had proven their domains; then initech is archived. */
async function prepare(t: TestApp): Promise<void> {
  for (const [slug, domain] of Object.entries(DOMAINS)) {
    await t.database.admin(
      `INSERT INTO platform.tenant_domains (id, tenant_id, domain, token, status) SELECT $1, id, $2, 'x', 'verified'
         FROM platform.tenants WHERE slug = $3`,
      [newId(), domain, slug],
    );
  }
  await t.database.admin(`INSERT INTO platform.tenant_domains (id, tenant_id, domain, token)
    SELECT gen_random_uuid(), id, 'claimed.acme-corp.com', 'x' FROM platform.tenants WHERE slug = 'acme'`);
  await t.database.admin(`UPDATE platform.tenants SET status = 'archived' WHERE slug = 'initech'`);
  await t.database.admin(`SELECT pg_notify('tenantry_domains', ''), pg_notify('tenantry_tenants', '')`);
}

const bare = ({ status, text, headers }: Answer) => {
  const { date: _date, ...rest } = headers;
  return { status, text, headers: rest };
};

describe('the tenant of a request', () => {
  let t: TestApp;
  let tokens: Record<'acme' | 'globex' | 'initech', string>;
  let keys: Record<'acme' | 'globex' | 'initech', string>;
  beforeAll(async () => {
    t = await createTestApp();
    const of = async (make: (slug: string) => Promise<string>) => ({
      acme: await make('acme'),
      globex: await make('globex'),
      initech: await make('initech'),
    });
    tokens = await of((slug) => userToken(t, slug, 'owner'));
    keys = await of((slug) => apiKey(t, slug, ['session:read']));
    await prepare(t);
  });
  afterAll(() => t.close());

  const ask = (path: string, headers: Record<string, string>, method = 'GET', body?: unknown) =>
    t.request(method, path, { headers: { ...headers, 'x-request-id': 'same-request-id' }, body });
  const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

  it.each([
    ['its domain', '/api/sessions', () => ({ host: DOMAINS.acme })],
    ['its domain, in capitals, with port and dot', '/api/sessions', () => ({ host: 'CHAT.ACME-corp.com.:8001' })],
    ['its subdomain', '/api/sessions', () => ({ host: 'acme.localhost' })],
    ['a path prefix', '/acme/api/sessions', () => ({})],
    ['the header', '/api/sessions', () => ({ 'x-tenant-id': 'acme' })],
    ['the credential alone', '/api/sessions', () => ({})],
    ['all of them', '/acme/api/sessions', () => ({ host: DOMAINS.acme, 'x-tenant-id': 'acme' })],
  ])('is acme by %s', async (_name, path, headers) => {
    for (const credential of [tokens.acme, keys.acme]) {
      const answer = await ask(path, { ...headers(), ...bearer(credential) });
      expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('items')]);
    }
  });

  it('is answered with the same bytes when it is unknown, archived, foreign or disagreed about', async () => {
    const { acme, globex, initech } = DOMAINS;
    const mine = bearer(tokens.acme);
    const unknown = bare(await ask('/api/sessions', { 'x-tenant-id': 'nobody', ...mine }));
    expect(unknown.status).toBe(404);
    expect(JSON.parse(unknown.text)).toMatchObject({ code: 'tenant_not_found', detail: 'Unknown tenant_id' });
    const cases: Record<string, Record<string, string>> = {
      'unknown by header': { 'x-tenant-id': 'another-nobody' },
      'unknown by subdomain': { host: 'nobody.localhost', ...mine },
      'no slug at all': { 'x-tenant-id': 'No Slug!', ...mine },
      'a reserved name': { host: 'www.localhost', ...mine },
      'a deeper name': { host: 'a.acme.localhost', ...mine },
      'an unknown domain': { host: 'chat.hooli-corp.com', ...mine },
      'an unknown domain and a header': { host: 'chat.hooli-corp.com', 'x-tenant-id': 'acme', ...mine },
      'a domain that is claimed only': { host: 'claimed.acme-corp.com', ...mine },
      'beneath a domain of its own': { host: `deep.${acme}`, ...mine },
      'archived by header': { 'x-tenant-id': 'initech', ...bearer(tokens.initech) },
      'archived by subdomain': { host: 'initech.localhost' },
      'archived by domain': { host: initech },
      'archived by access token': bearer(tokens.initech),
      'archived by API key': bearer(keys.initech),
      'not yours by header': { 'x-tenant-id': 'globex', ...mine },
      'not yours by domain': { host: globex, ...mine },
      'not yours by subdomain': { host: 'globex.localhost', ...mine },
      'not yours with an API key': { host: globex, ...bearer(keys.acme) },
      'wrong host': { host: 'globex.localhost', 'x-tenant-id': 'acme', ...mine },
      'wrong domain': { host: globex, 'x-tenant-id': 'acme', ...mine },
      'wrong header': { host: acme, 'x-tenant-id': 'globex', ...mine },
      'a header of nobody': { host: acme, 'x-tenant-id': 'nobody', ...mine },
      'a header of the archived': { host: acme, 'x-tenant-id': 'initech', ...mine },
    };
    for (const [name, headers] of Object.entries(cases)) {
      expect([name, bare(await ask('/api/sessions', headers))]).toEqual([name, unknown]);
    }
  });

  it('is audited each way when it is refused', async () => {
    const reasons = async () =>
      (
        await t.database.admin<{ reason: string }>(
          `SELECT DISTINCT details ->> 'reason' AS reason FROM platform.audit_events WHERE event = 'tenant_refused'`,
        )
      ).map(({ reason }) => reason);
    await expect.poll(async () => (await reasons()).sort()).toEqual(['disagreeing', 'inactive', 'unknown']);
    await expect
      .poll(() => t.database.admin(`SELECT 1 FROM platform.audit_events WHERE event = 'cross_tenant_access_attempt'`))
      .not.toEqual([]);
  });

  it('is not taken from a credential that does not prove itself, nor from one of the platform', async () => {
    const [head = '', , signature = ''] = tokens.acme.split('.');
    const { id } = await t.tenant('acme');
    const forged = Buffer.from(JSON.stringify({ tid: id, sub: id, did: id, rv: 1, exp: 4e9 })).toString('base64url');
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
    const admin = await adminToken(t, 'admin');
    const bad = [
      `${head}.${forged}.${signature}`,
      `${unsigned}.${forged}.`,
      `${keys.acme.slice(0, -1)}0`,
      'nonsense',
      admin,
    ];
    for (const credential of bad) {
      const answer = await ask('/api/sessions', bearer(credential));
      expect([credential, answer.status, answer.json.code]).toEqual([credential, 400, 'tenant_required']);
    }
  });

  it("keeps a user's credential from making the platform's routes a tenant's, or from being let in there", async () => {
    const answer = await ask('/api/admin/admins', bearer(tokens.acme));
    expect([answer.status, answer.json.code]).toEqual([401, 'credential_invalid']);
    const login = await ask('/api/admin/auth/login', bearer(tokens.acme), 'POST', {
      email: 'a@b.example',
      password: 'x',
    });
    expect(login.status).toBe(401);
    expect(
      (await ask('/api/admin/admins', { host: DOMAINS.acme, ...bearer(await adminToken(t, 'admin')) })).status,
    ).toBe(404);
  });

  it('follows from a refresh token in the body of the routes that trade one', async () => {
    const owner = await signIn(t, 'globex', 'owner');
    const refreshed = await ask('/api/auth/refresh', {}, 'POST', { refresh_token: owner.refreshToken });
    expect(refreshed.status).toBe(200);
    expect((await ask('/api/auth/me', bearer(refreshed.json.access_token))).json.role).toBe('owner');
    const wrong = await ask('/api/auth/refresh', { host: DOMAINS.acme }, 'POST', {
      refresh_token: refreshed.json.refresh_token,
    });
    expect([wrong.status, wrong.json.code]).toEqual([401, 'refresh_refused']);
    expect((await ask('/api/auth/logout', {}, 'POST', { refresh_token: refreshed.json.refresh_token })).status).toBe(
      204,
    );
    expect((await ask('/api/auth/me', bearer(refreshed.json.access_token))).status).toBe(401);
  });

  it('is not named by hosts that can be no domain of a tenant', async () => {
    for (const host of ['127.0.0.1:8001', '[::1]:8001', 'localhost', 'app', 'tenantry.default.svc.cluster.local']) {
      const answer = await ask('/api/sessions', { host, 'x-tenant-id': 'acme', ...bearer(tokens.acme) });
      expect([host, answer.status]).toEqual([host, 200]);
    }
  });

  it('is found under its new slug by credential and domain, once it has been given another', async () => {
    const rename = (from: string, to: string) =>
      t.database.admin(`UPDATE platform.tenants SET slug = $2 WHERE slug = $1`, [from, to]);
    const told = (...slugs: string[]) =>
      t.database.admin(`SELECT pg_notify('tenantry_tenants', $1)`, [slugs.join(',')]);
    const hello = async (headers: Record<string, string>) => (await ask('/', headers)).json.tenant?.id as string;
    const ways = [{ host: DOMAINS.globex }, bearer(tokens.globex), bearer(keys.globex)];
    for (const way of ways) expect(await hello(way)).toBe('globex');
    await rename('globex', 'globex-two');
    await told('globex', 'globex-two');
    for (const way of ways) await expect.poll(() => hello(way), { timeout: 1000, interval: 20 }).toBe('globex-two');
    await rename('globex-two', 'globex');
    await told('globex', 'globex-two');
    for (const way of ways) await expect.poll(() => hello(way), { timeout: 1000, interval: 20 }).toBe('globex');
  });

  it('does not believe X-Forwarded-Host from a client that is no proxy of ours', async () => {
    const answer = await ask('/', { host: DOMAINS.acme, 'x-forwarded-host': DOMAINS.globex });
    expect(answer.json.tenant.id).toBe('acme');
    expect((await ask('/', { host: 'localhost', 'x-forwarded-host': DOMAINS.globex })).json.tenant).toBeUndefined();
  });
});

describe('behind a proxy of ours', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({ TRUSTED_PROXIES: 'loopback' });
    await prepare(t);
  });
  afterAll(() => t.close());
  const hello = async (headers: Record<string, string>) =>
    (await t.request('GET', '/', { headers })).json.tenant?.id as string;

  it('the tenant is that of X-Forwarded-Host, of the first when there are several', async () => {
    expect(await hello({ host: 'app:8001', 'x-forwarded-host': DOMAINS.globex })).toBe('globex');
    expect(await hello({ host: DOMAINS.acme, 'x-forwarded-host': `${DOMAINS.globex}, app` })).toBe('globex');
    expect(await hello({ host: DOMAINS.acme })).toBe('acme');
  });

  it('a certificate is for names of tenants that answer only', async () => {
    const allowed = async (domain: string) => {
      const answer = await t.request('GET', `/internal/domains/allowed?domain=${encodeURIComponent(domain)}`);
      return answer.status === 404 ? answer.json.code : answer.status;
    };
    for (const domain of [DOMAINS.acme, 'CHAT.acme-corp.com.', 'acme.localhost', 'Globex.localhost']) {
      expect([domain, await allowed(domain)]).toEqual([domain, 200]);
    }
    const none = [
      'claimed.acme-corp.com',
      DOMAINS.initech,
      'initech.localhost',
      'nobody.localhost',
      'a.acme.localhost',
    ];
    for (const domain of [
      ...none,
      'chat.hooli-corp.com',
      'localhost',
      '127.0.0.1',
      '',
      '*.acme-corp.com',
      'x'.repeat(500),
    ]) {
      expect([domain, await allowed(domain)]).toEqual([domain, 'domain_not_allowed']);
    }
    expect((await t.request('GET', '/internal/domains/allowed')).status).toBe(422);
    await t.database.admin(`UPDATE platform.tenants SET status = 'archived' WHERE slug = 'globex'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'globex')`);
    for (const domain of [DOMAINS.globex, 'globex.localhost']) {
      await expect.poll(() => allowed(domain), { timeout: 1000, interval: 20 }).toBe('domain_not_allowed');
    }
  });

  it('a stranger learns nothing of certificates, whatever the name', async () => {
    for (const header of [
      'x-forwarded-for',
      'forwarded',
      'via',
      'x-real-ip',
      'x-forwarded-host',
      'x-forwarded-proto',
    ]) {
      const answers = await Promise.all(
        [DOMAINS.acme, 'chat.hooli-corp.com'].map(async (domain) => {
          const answer = await t.request('GET', `/internal/domains/allowed?domain=${domain}`, {
            headers: { [header]: '203.0.113.9', 'x-request-id': 'same-request-id' },
          });
          return [answer.status, answer.text.replace(domain, '')];
        }),
      );
      expect([header, answers[0]?.[0], answers[0]]).toEqual([header, 404, answers[1]]);
    }
  });
});

describe('with strategies of your own choice', () => {
  it('only those count', async () => {
    const t = await createTestApp({ TENANT_STRATEGIES: 'subdomain,body' });
    try {
      await prepare(t);
      const headers = { authorization: `Bearer ${await userToken(t, 'acme', 'owner')}` };
      const get = (path: string, more: Record<string, string>) =>
        t.request('GET', path, { headers: { ...headers, ...more } });
      expect((await get('/api/sessions', { host: 'acme.localhost', 'x-tenant-id': 'globex' })).status).toBe(200);
      expect((await get('/api/sessions', { 'x-tenant-id': 'acme' })).json.code).toBe('tenant_required');
      expect((await get('/api/sessions', { host: DOMAINS.acme })).json.code).toBe('tenant_required');
      expect((await get('/acme/api/sessions', {})).json.code).toBe('route_not_found');
      expect((await t.request('POST', '/session', { body: { tenant_id: 'acme' } })).status).toBe(201);
    } finally {
      await t.close();
    }
  });
});
