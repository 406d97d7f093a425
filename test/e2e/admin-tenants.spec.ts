import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdmin, ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, OWNER, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
});
afterAll(() => t.close());

const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;

describe('creating a tenant', () => {
  it('answers at once, and the tenant is in service shortly after, with an owner invited', async () => {
    const answer = await createTenant(admin, 'umbrella', { plan: 'pro', settings: { 'chat.public': true } });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe('/api/admin/tenants/umbrella');
    expect(answer.headers.etag).toBe('"r1"');
    expect(answer.json).toMatchObject({
      slug: 'umbrella',
      name: 'umbrella Ltd',
      status: 'provisioning',
      kind: 'production',
      plan: 'pro',
      isolation: 'shared',
      server: 'default',
      settings: { 'chat.public': true },
    });
    const ready = await untilStatus(admin, 'umbrella', 'active');
    expect(ready.provisioning).toMatchObject({ state: 'done', error: null });
    expect(ready.provisioning.steps.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual(
      [
        'reserve-slug',
        'placement',
        'migrate',
        'default-settings',
        'default-data',
        'owner',
        'welcome-mail',
        'activate',
      ].map((name) => [name, 'done']),
    );
    expect(await t.session('umbrella')).toEqual(expect.any(String));
    const invitations = await t.database.admin(
      `SELECT i.email, i.role FROM shared.invitations i JOIN platform.tenants t ON t.id = i.tenant_id WHERE t.slug = 'umbrella'`,
    );
    expect(invitations).toEqual([{ email: OWNER.email, role: 'owner' }]);
    const [kept] = await t.database.admin<{ request: Buffer | null; notes: number }>(
      `SELECT p.request, (SELECT count(*)::int FROM shared.provisioning_marks m WHERE m.tenant_id = p.tenant_id AND m.note IS NOT NULL) AS notes
         FROM platform.provisionings p JOIN platform.tenants t ON t.id = p.tenant_id WHERE t.slug = 'umbrella'`,
    );
    expect(kept).toEqual({ request: null, notes: 0 });
  });

  it('refuses a slug that is taken, reserved or malformed, and a plan, kind or setting that is unknown', async () => {
    expect((await createTenant(admin, 'acme')).status).toBe(409);
    expect((await createTenant(admin, 'acme')).json).toMatchObject({ code: 'slug_taken' });
    for (const slug of ['api', 'www', 'Umbrella', 'a_b', '-a', '', 'a'.repeat(64)]) {
      expect([slug, (await createTenant(admin, slug)).status]).toEqual([slug, 422]);
    }
    const wrong: [Record<string, unknown>, string][] = [
      [{ plan: 'gold' }, '/plan'],
      [{ kind: 'pet' }, '/kind'],
      [{ isolation: 'none' }, '/isolation'],
      [{ name: '' }, '/name'],
      [{ name: 'a\nb' }, '/name'],
      [{ owner: undefined }, '/owner'],
      [{ owner: 'ada' }, '/owner'],
      [{ owner: { email: 'ada' } }, '/owner/email'],
      [{ settings: [] }, '/settings'],
      [{ settings: { 'no.such': 1 } }, '/settings/no.such'],
      [{ settings: { 'chat.public': 'yes' } }, '/settings/chat.public'],
    ];
    for (const [body, pointer] of wrong) {
      const answer = await createTenant(admin, 'wrong', body);
      expect([pointer, answer.status]).toEqual([pointer, 422]);
      expect(answer.json.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    }
    expect((await admin.get(at('wrong'))).status).toBe(404);
  });

  it('gives a slug to one of twenty who ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => createTenant(admin, 'race')));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array<number>(19).fill(409)]);
    await untilStatus(admin, 'race', 'active');
  });

  it('makes one tenant of a repeated request, and refuses its key for another', async () => {
    const ask = (slug: string) =>
      t.request('POST', '/api/admin/tenants', {
        headers: { ...admin.headers, 'idempotency-key': 'key-0001' },
        body: { slug, name: 'Once', owner: OWNER },
      });
    const first = await ask('once');
    const second = await ask('once');
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect((await ask('twice')).status).toBe(422);
    expect((await ask('twice')).json.code).toBe('idempotency_key_reused');
    const concurrent = await Promise.all(
      Array.from({ length: 5 }, () =>
        t.request('POST', '/api/admin/tenants', {
          headers: { ...admin.headers, 'idempotency-key': 'key-0002' },
          body: { slug: 'at-once', name: 'At once', owner: OWNER },
        }),
      ),
    );
    for (const answer of concurrent) expect([201, 409]).toContain(answer.status);
    for (const { status, json } of concurrent) if (status === 409) expect(json.code).toBe('idempotency_in_progress');
    expect(concurrent.some(({ status }) => status === 201)).toBe(true);
    await untilStatus(admin, 'once', 'active');
    await untilStatus(admin, 'at-once', 'active');
  });

  it('succeeds for fifty at once', async () => {
    const slugs = Array.from({ length: 50 }, (_, index) => `many-${index}`);
    const answers = await Promise.all(slugs.map((slug) => createTenant(admin, slug)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    for (const slug of slugs) await untilStatus(admin, slug, 'active');
  });

  it('lets a trial end as its plan says', async () => {
    const { json } = await createTenant(admin, 'trial-a', { kind: 'trial', plan: 'premium' });
    const days = (Date.parse(json.expires_at) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30.1);
  });
});

describe('editing a tenant', () => {
  it('takes the ETag of the last edit, and no other', async () => {
    const seen = (await admin.get(at('globex'))).headers.etag ?? '';
    const patch = (etag: string, body: object) =>
      t.request('PATCH', at('globex'), { headers: { ...admin.headers, 'if-match': etag }, body });
    const changed = await patch(seen, { name: 'Globex Corporation', settings: { welcome: 'Hello', model: 'mock-2' } });
    expect(changed.status).toBe(200);
    expect(changed.json).toMatchObject({ name: 'Globex Corporation', settings: { welcome: 'Hello' } });
    expect(changed.headers.etag).not.toBe(seen);
    const stale = await patch(seen, { name: 'Lost' });
    expect([stale.status, stale.json.code]).toEqual([412, 'revision_mismatch']);
    expect((await patch('"other"', { name: 'Lost' })).status).toBe(412);
    // A change of status is no edit.
    await admin.send('POST', at('globex', '/suspend'), { reason: 'A test' });
    await admin.send('POST', at('globex', '/resume'));
    expect((await admin.get(at('globex'))).headers.etag).toBe(changed.headers.etag);
    const back = await patch(changed.headers.etag ?? '', { settings: { welcome: null } });
    expect(back.json.settings).not.toHaveProperty('welcome');
  });

  it('lets one of two edits win that were made from the same state', async () => {
    const etag = (await admin.get(at('initech'))).headers.etag ?? '';
    const answers = await Promise.all(
      ['One', 'Two', 'Three'].map((name) =>
        t.request('PATCH', at('initech'), { headers: { ...admin.headers, 'if-match': etag }, body: { name } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  it('is served within a second by every process', async () => {
    const other = await secondInstance(t.database);
    try {
      await other.session('umbrella');
      await admin.send('PATCH', at('umbrella'), { settings: { welcome: 'News!' } });
      await expect
        .poll(
          async () =>
            (await other.request('POST', '/session', { body: { tenant_id: 'umbrella' } })).json.tenant.welcome,
          { timeout: 1000, interval: 20 },
        )
        .toBe('News!');
    } finally {
      await other.close();
    }
  });

  it('never gives a renamed slug to another', async () => {
    await createTenant(admin, 'old-name');
    await untilStatus(admin, 'old-name', 'active');
    expect((await admin.send('PATCH', at('old-name'), { slug: 'acme' })).status).toBe(409);
    expect((await admin.send('PATCH', at('old-name'), { slug: 'admin' })).status).toBe(422);
    expect((await admin.send('PATCH', at('old-name'), { slug: 'new-name' })).json.slug).toBe('new-name');
    expect((await createTenant(admin, 'old-name')).status).toBe(409);
    // Its own it may take back.
    expect((await admin.send('PATCH', at('new-name'), { slug: 'old-name' })).json.slug).toBe('old-name');
    expect((await createTenant(admin, 'new-name')).status).toBe(409);
  });
});

describe('the slug that a tenant had before', () => {
  const send = (host: string, path: string) => t.request('GET', path, { headers: { host } });

  beforeAll(async () => {
    await t.import([{ slug: 'maiden' }]);
    await t.session('maiden');
    await admin.send('PATCH', at('maiden'), { slug: 'married' });
  });

  it('leads addresses to the new one, with path and query', async () => {
    const host = await send('maiden.localhost:8001', '/api/sessions/current?x=1');
    expect([host.status, host.headers.location]).toEqual([
      308,
      'http://married.localhost:8001/api/sessions/current?x=1',
    ]);
    const path = await send('localhost', '/maiden/api/sessions/current?x=1');
    expect([path.status, path.headers.location]).toEqual([308, '/married/api/sessions/current?x=1']);
  });

  it('leads no address of another domain away, also when that begins like it', async () => {
    await t.import([{ slug: 'brand' }]);
    const { id } = await t.tenant('brand');
    await t.database.admin(
      `INSERT INTO platform.tenant_domains (id, tenant_id, domain, status, token, verified_at)
       VALUES (gen_random_uuid(), $1, 'brand.acme-corp.com', 'verified', 'x', now())`,
      [id],
    );
    const home = () => t.request('GET', '/', { headers: { host: 'brand.acme-corp.com' } });
    expect((await home()).json.tenant.name).toBe('brand');
    await admin.send('PATCH', at('brand'), { slug: 'brand-group' });
    await expect.poll(async () => (await send('brand.localhost:8001', '/api/sessions/current')).status).toBe(308);
    expect([(await home()).status, (await home()).json.tenant.id]).toEqual([200, 'brand-group']);
    await t.database.admin(`UPDATE platform.slugs SET redirect_until = now() - interval '1 s' WHERE slug = 'brand'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect.poll(async () => (await send('brand.localhost:8001', '/api/sessions/current')).status).toBe(404);
    expect((await home()).status).toBe(200);
  });

  it('is served where nothing can be redirected, under the new name', async () => {
    const answer = await t.request('POST', '/session', { body: { tenant_id: 'maiden' } });
    expect([answer.status, answer.json.tenant.id]).toEqual([201, 'married']);
  });

  it('follows the tenant: suspended within a second, restored, and unknown once its time is over', async () => {
    const unknown = await t.request('POST', '/session', { body: { tenant_id: 'nobody-is-here' } });
    await admin.send('POST', at('married', '/archive'));
    await expect.poll(async () => (await send('localhost', '/maiden/api/sessions/current')).status).toBe(404);
    const stopped = await t.request('POST', '/session', { body: { tenant_id: 'maiden' } });
    expect(stopped.status).toBe(unknown.status);
    await admin.send('POST', at('married', '/restore'));
    await admin.send('POST', at('married', '/resume'));
    await expect.poll(async () => (await send('localhost', '/maiden/api/sessions/current')).status).toBe(308);
    await t.database.admin(`UPDATE platform.slugs SET redirect_until = now() - interval '1 s' WHERE slug = 'maiden'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect.poll(async () => (await send('localhost', '/maiden/api/sessions/current')).status).toBe(404);
    expect((await createTenant(admin, 'maiden')).status).toBe(409);
  });
});

describe('the list of tenants', () => {
  it('is filtered by status, plan, kind and text, in pages, newest first', async () => {
    await t.import([{ slug: 'list-one' }, { slug: 'list-two' }, { slug: 'list-three' }]);
    await t.database.admin(`UPDATE platform.tenants SET name = 'Österreich Öl AG' WHERE slug = 'list-two'`);
    await admin.send('POST', at('list-three', '/suspend'), { reason: 'A test' });
    const list = async (query: string) => (await admin.get(`/api/admin/tenants?${query}`)).json;
    const slugs = async (query: string) => (await list(query)).items.map(({ slug }: { slug: string }) => slug);
    expect(await slugs('q=list&limit=200')).toEqual(['list-three', 'list-two', 'list-one']);
    expect(await slugs('q=LIS%20on')).toEqual(['list-one']);
    expect(await slugs(`q=${encodeURIComponent('öst')}`)).toEqual(['list-two']);
    expect(await slugs(`q=${encodeURIComponent(`' | !a :* \\`)}`)).toEqual(expect.any(Array));
    expect(await slugs('q=%26%7C')).toEqual([]);
    expect(await slugs('q=list&status=suspended')).toEqual(['list-three']);
    expect(await slugs('status=suspended,archived')).toEqual(['list-three']);
    expect(await slugs('status=active&plan=unlimited&kind=production&q=list')).toEqual(['list-two', 'list-one']);
    expect((await list('q=list&total=true')).total).toBe(3);
    expect(await list('q=list')).not.toHaveProperty('total');
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const page = await list(`limit=7&status=active,suspended,provisioning${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items.map(({ slug }: { slug: string }) => slug));
      if (!page.next_cursor) break;
      cursor = page.next_cursor;
    }
    const [{ all }] = (await t.database.admin<{ all: number }>(
      'SELECT count(*)::int AS all FROM platform.tenants',
    )) as [{ all: number }];
    expect(new Set(seen).size).toBe(all);
    expect(seen).toHaveLength(all);
    for (const wrong of ['status=happy', 'plan=gold', 'kind=', 'limit=0', 'limit=201', 'cursor=abc', 'total=2']) {
      expect([wrong, (await admin.get(`/api/admin/tenants?${wrong}`)).status]).toEqual([wrong, 422]);
    }
  });
});

describe('plans', () => {
  it('are listed, and their rules edited with an ETag', async () => {
    const { items } = (await admin.get('/api/admin/plans')).json;
    expect(items.map(({ name }: { name: string }) => name)).toEqual([
      'free',
      'basic',
      'pro',
      'premium',
      'enterprise',
      'unlimited',
    ]);
    const changed = await admin.send('PATCH', '/api/admin/plans/basic', {
      trial_days: 7,
      purge_after_days: null,
      roll_back_after_days: 3,
    });
    expect(changed.json).toMatchObject({
      trial_days: 7,
      purge_after_days: null,
      archive_after_days: 90,
      roll_back_after_days: 3,
    });
    const stale = await t.request('PATCH', '/api/admin/plans/basic', {
      headers: { ...admin.headers, 'if-match': items[1].etag },
      body: { trial_days: 8 },
    });
    expect(stale.status).toBe(412);
    expect((await admin.send('PATCH', '/api/admin/plans/gold', { trial_days: 7 })).status).toBe(404);
    for (const trial_days of [0, 366, 1.5, '7', null]) {
      expect((await admin.send('PATCH', '/api/admin/plans/basic', { trial_days })).status).toBe(422);
      const roll_back_after_days = trial_days;
      expect((await admin.send('PATCH', '/api/admin/plans/basic', { roll_back_after_days })).status).toBe(422);
    }
  });
});

describe('who may', () => {
  it('billing reads tenants and changes nothing; the change of an admin is in the log with before and after', async () => {
    const billing = await addAdmin(t, admin, 'bill', 'billing');
    expect((await billing.get(at('acme'))).status).toBe(200);
    expect((await billing.send('POST', at('acme', '/suspend'), { reason: 'x' })).status).toBe(403);
    expect((await createTenant(billing, 'never')).status).toBe(403);
    const events = await t.database.admin<{ event: string; actor_name: string; before: unknown; after: unknown }>(
      `SELECT event, actor_name, before, after FROM platform.audit_events WHERE event = 'tenant.edited' ORDER BY id LIMIT 1`,
    );
    expect(events[0]).toMatchObject({ actor_name: expect.any(String), before: { name: 'Globex Inc.' } });
  });
});
