import { MaxLength } from 'class-validator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChangeFeed } from '../../src/changes/index.js';
import { SecretVault } from '../../src/secrets/index.js';
import { declaredSetting, declareSecret, settingOf } from '../../src/settings/index.js';
import { TenantLookUp, TenantRunner } from '../../src/tenancy/index.js';
import { liftAddressLimits } from '../kit/people.js';
import { addAdmin, ROOT_ENV, secondInstance, signInAdmin, type SignedInAdmin } from '../kit/platform.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { type Answer, createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let root: SignedInAdmin;
let acme: Record<'owner' | 'admin' | 'member', SignedIn>;
let globex: SignedIn;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  await liftAddressLimits(t);
  root = await signInAdmin(t);
  const [owner, admin, member] = await Promise.all(['owner', 'admin', 'member'].map((role) => signIn(t, 'acme', role)));
  acme = { owner: owner!, admin: admin!, member: member! };
  globex = await signIn(t, 'globex', 'owner');
});
afterAll(() => t.close());
beforeEach(async () => {
  await t.database.admin(`UPDATE platform.tenants SET settings = '{}'`);
  await t.database.admin(`UPDATE platform.plans SET settings = '{}'`);
  await t.database.admin(`UPDATE platform.platform_settings SET settings = '{}'`);
  await t.database.admin('DELETE FROM platform.setting_changes');
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
});

const PLAN = '/api/admin/plans/unlimited/config';
const told = ({ status, json }: Answer) => [status, json.code ?? null];
const inForce = async (by: SignedIn, key: string) => {
  const { value, source } = (await by.get(`/api/config/${key}`)).json;
  return [value, source];
};
const withMatch = (
  by: { headers: Record<string, string> },
  method: string,
  path: string,
  etag: string,
  body?: unknown,
) => t.request(method, path, { headers: { ...by.headers, 'if-match': etag }, body });
const historyOf = async (by: SignedIn, key: string) => (await by.get(`/api/config/${key}/history`)).json.items;

const API_KEY = declareSecret({
  key: 'spec.api_key',
  description: 'The key of an API.',
  rules: [MaxLength(40)],
  allowed: 'a text of at most 40 characters',
  changedBy: 'admin',
  byPlan: true,
});

describe('a secret', () => {
  const path = `/api/config/${API_KEY.key}`;
  const open = async (slug: string) => {
    const tenant = await t.tenant(slug);
    return t.app.get(TenantRunner).run(tenant, () => t.app.get(SecretVault).open(API_KEY));
  };

  it('can be set and used, and is answered to nobody, in no history, log or row', async () => {
    expect((await acme.owner.get(path)).json).toMatchObject({ secret: true, set: false, value: null, editable: true });
    for (const value of ['first-of-acme', 'second-of-acme']) {
      const answer = await acme.owner.send('PUT', path, { value });
      expect([answer.status, answer.text]).toEqual([200, expect.not.stringContaining(value)]);
      expect(await open('acme')).toBe(value);
    }
    expect((await acme.owner.get(path)).json).toMatchObject({ set: true, value: null, source: 'tenant' });
    const [last, first] = await historyOf(acme.owner, API_KEY.key);
    expect([first.before, first.after, last.before, last.after]).toEqual([null, '***', '***', '***']);
    const seen = [
      await acme.owner.get('/api/config'),
      await acme.owner.get('/api/audit?limit=100'),
      await root.get('/api/admin/tenants/acme'),
      await root.get('/api/admin/audit?limit=100'),
    ].map(({ status, text }) => [status, text]);
    const tables = ['tenants', 'setting_changes', 'audit_events'];
    const rows = await Promise.all(
      tables.map((table) => t.database.admin(`SELECT to_jsonb(x)::text FROM platform.${table} x`)),
    );
    expect(seen.map(([status]) => status)).toEqual([200, 200, 200, 200]);
    for (const text of [JSON.stringify(seen), JSON.stringify(rows), t.logs.join('')]) {
      expect(text).not.toMatch(/(first|second)-of-acme/);
    }
    const sealed = (await t.tenant('acme')).settings[API_KEY.key] as { sealed: string };
    for (const { text } of [await root.get('/api/admin/tenants/acme'), await root.get('/api/admin/audit?limit=100')]) {
      expect(text).not.toContain(sealed.sealed);
    }

    const restored = await acme.owner.send('POST', `${path}/restore`, { change_id: first.id });
    expect(restored.status, restored.text).toBe(200);
    expect(await open('acme')).toBe('first-of-acme');
    expect(await open('globex')).toBeUndefined();
  });

  it('of a plan is used by its tenants, and what is no text of the rules is refused', async () => {
    await t.database.admin(`UPDATE platform.tenants SET plan = 'unlimited' WHERE slug = 'globex'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    expect((await root.send('PUT', `${PLAN}/${API_KEY.key}`, { value: 'of-the-plan' })).status).toBe(200);
    expect(await open('globex')).toBe('of-the-plan');
    for (const value of ['x'.repeat(41), 7, { sealed: 'AAAA' }]) {
      expect((await acme.owner.send('PUT', path, { value })).status).toBe(422);
    }
    const edit = await root.send('PATCH', '/api/admin/tenants/acme', { settings: { [API_KEY.key]: 'plain' } });
    expect([edit.status, edit.json.errors[0].detail]).toEqual([422, expect.stringContaining('is a secret')]);
  });
});

describe('the value in force', () => {
  it("is acme's own, else its plan's, else the platform's, else the default", async () => {
    const fallback = declaredSetting('audit.retention_days')!.default;
    expect(await inForce(acme.owner, 'audit.retention_days')).toEqual([fallback ?? null, 'default']);
    const set = (by: Pick<SignedIn, 'send'>, base: string, value: number) =>
      by.send('PUT', `${base}/audit.retention_days`, { value });
    const steps = [
      [root, '/api/admin/config', 'platform', 100],
      [root, PLAN, 'plan', 200],
      [acme.owner, '/api/config', 'tenant', 300],
    ] as const;
    for (const [by, base, source, value] of steps) {
      const answer = await set(by, base, value);
      expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
      expect(await inForce(acme.owner, 'audit.retention_days')).toEqual([value, source]);
    }
    expect(await inForce(globex, 'audit.retention_days')).toEqual([200, 'plan']);
    for (const [by, base] of [...steps].reverse()) {
      expect((await by.send('DELETE', `${base}/audit.retention_days`)).status).toBe(200);
    }
    expect(await inForce(acme.owner, 'audit.retention_days')).toEqual([fallback ?? null, 'default']);
  });

  it('is not taken for unchanged after the plan or the platform changed it', async () => {
    const seen = String((await acme.owner.get('/api/config')).headers['etag']);
    const again = () => t.request('GET', '/api/config', { headers: { ...acme.owner.headers, 'if-none-match': seen } });
    expect((await again()).status).toBe(304);
    await root.send('PUT', `${PLAN}/audit.retention_days`, { value: 250 });
    expect((await again()).status).toBe(200);
    const change = { settings: { welcome: 'By the ETag of before' } };
    expect((await withMatch(acme.owner, 'PATCH', '/api/config', seen, change)).status).toBe(200);
    expect((await root.send('DELETE', `${PLAN}/audit.retention_days`)).status).toBe(200);
  });

  it('comes with a schema, who may change it, and whether that is you', async () => {
    const answer = await acme.admin.get('/api/config');
    expect(answer.headers['etag']).toMatch(/^"r\d+\.[\w-]{16}"$/);
    const items = answer.json.items as { key: string }[];
    expect(items.map(({ key }) => key)).toEqual(items.map(({ key }) => key).sort());
    const item = (key: string) => items.find((one) => one.key === key);
    expect(item('welcome')).toMatchObject({ changed_by: 'admin', editable: true, schema: { type: 'string' } });
    expect(item('audit.retention_days')).toMatchObject({
      changed_by: 'owner',
      editable: false,
      schema: { type: 'integer', minimum: expect.any(Number) },
    });
    expect(item('limits.chat_per_10s')).toMatchObject({ changed_by: 'platform', editable: false });
  });
});

describe('who may change what', () => {
  it('leaves to owners what is theirs, and to the platform what is its', async () => {
    expect(told(await acme.admin.send('PUT', '/api/config/welcome', { value: 'Hi' }))).toEqual([200, null]);
    const byAdmin = await acme.admin.send('PUT', '/api/config/audit.retention_days', { value: 90 });
    expect(told(byAdmin)).toEqual([403, 'setting_not_yours']);
    expect(told(await acme.owner.send('PUT', '/api/config/audit.retention_days', { value: 90 }))).toEqual([200, null]);
    const limit = { value: 5 };
    expect(told(await acme.owner.send('PUT', '/api/config/limits.chat_per_10s', limit))).toEqual([
      403,
      'setting_not_yours',
    ]);
    const mixed = { settings: { welcome: 'Ho', 'limits.chat_per_10s': 5 } };
    expect(told(await acme.owner.send('PATCH', '/api/config', mixed))).toEqual([403, 'setting_not_yours']);
    expect(await inForce(acme.owner, 'welcome')).toEqual(['Hi', 'tenant']);
    const base = '/api/admin/tenants/acme/config';
    expect(told(await root.send('PUT', `${base}/limits.chat_per_10s`, limit))).toEqual([200, null]);
    expect(await inForce(acme.owner, 'limits.chat_per_10s')).toEqual([5, 'tenant']);
  });

  it('lets nobody else read or change them', async () => {
    await acme.owner.send('PUT', '/api/config/welcome', { value: 'Only acme' });
    expect((await acme.member.get('/api/config')).status).toBe(403);
    const asAcme = { ...globex.headers, 'x-tenant-id': 'acme' };
    const reads = await t.request('GET', '/api/config', { headers: asAcme });
    const writes = await t.request('PUT', '/api/config/welcome', { headers: asAcme, body: { value: 'Ours' } });
    for (const answer of [reads, writes]) expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(reads.text).not.toContain('Only acme');
    expect(await inForce(acme.owner, 'welcome')).toEqual(['Only acme', 'tenant']);
    const [change] = await historyOf(acme.owner, 'welcome');
    const restored = await globex.send('POST', '/api/config/welcome/restore', { change_id: change.id });
    expect(told(restored)).toEqual([404, 'setting_change_unknown']);
    expect(await historyOf(globex, 'welcome')).toEqual([]);
    const reader = await addAdmin(t, root, 'rita', 'read-only');
    expect((await reader.get('/api/admin/config')).status).toBe(200);
    for (const base of ['/api/admin/config', PLAN, '/api/admin/tenants/acme/config']) {
      expect((await reader.send('PUT', `${base}/model`, { value: 'mock-1' })).status, base).toBe(403);
    }
  });
});

describe('a change of several settings', () => {
  it('is made whole or not at all, and names each fault', async () => {
    const settings = { welcome: 'Hi', model: 7, 'no.such': true, 'cors.origins': 'x' };
    const answer = await acme.owner.send('PATCH', '/api/config', { settings });
    expect(told(answer)).toEqual([422, 'validation_failed']);
    const pointers = answer.json.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers.sort()).toEqual(['/settings/cors.origins', '/settings/model', '/settings/no.such']);
    expect(await inForce(acme.owner, 'welcome')).toEqual([expect.any(String), 'default']);
    expect(told(await acme.owner.send('PUT', '/api/config/no.such', { value: 1 }))).toEqual([404, 'setting_unknown']);
    const wrong = await acme.owner.send('PUT', '/api/config/model', { value: 7 });
    expect(wrong.json.errors).toEqual([{ pointer: '/value', detail: expect.stringMatching(/^must be /) }]);
  });

  it('cannot give a plan what plans may not set', async () => {
    const answer = await root.send('PATCH', PLAN, { settings: { welcome: 'Hi', 'audit.retention_days': 90 } });
    expect(answer.json.errors).toEqual([{ pointer: '/settings/welcome', detail: 'cannot be set by plans' }]);
    expect((await root.get(`${PLAN}/audit.retention_days`)).json.source).toBe('default');
  });

  it('is refused when somebody else was there before', async () => {
    for (const [by, base, value] of [
      [acme.owner, '/api/config', 91],
      [root, '/api/admin/tenants/acme/config', 92],
      [root, PLAN, 93],
      [root, '/api/admin/config', 94],
    ] as const) {
      const seen = String((await by.get(base)).headers['etag']);
      const change = { settings: { 'audit.retention_days': value } };
      const first = await withMatch(by, 'PATCH', base, seen, change);
      expect(first.status, first.text).toBe(200);
      expect(first.headers['etag']).not.toBe(seen);
      expect(told(await withMatch(by, 'DELETE', `${base}/audit.retention_days`, seen))).toEqual([
        412,
        'revision_mismatch',
      ]);
      expect((await by.get(`${base}/audit.retention_days`)).json.value).toBe(value);
    }
  });

  it('loses nothing of twenty at once, and with one ETag exactly one of them wins', async () => {
    const keys = ['welcome', 'branding.name', 'model', 'chat.public', 'audit.retention_days'];
    const values = ['Hi', 'Acme', 'mock-1', true, 77];
    const writes = Array.from({ length: 20 }, (_, at) =>
      acme.owner.send('PATCH', '/api/config', { settings: { [keys[at % 5]!]: values[at % 5] } }),
    );
    expect(new Set((await Promise.all(writes)).map(({ status }) => status))).toEqual(new Set([200]));
    for (const [at, key] of keys.entries()) expect(await inForce(acme.owner, key)).toEqual([values[at], 'tenant']);

    const etag = String((await acme.owner.get('/api/config')).headers['etag']);
    const race = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        withMatch(acme.owner, 'PATCH', '/api/config', etag, { settings: { welcome: `Writer ${at}` } }),
      ),
    );
    const won = race.flatMap(({ status }, at) => (status === 200 ? [`Writer ${at}`] : []));
    expect(won).toHaveLength(1);
    expect(race.filter(({ status }) => status === 412)).toHaveLength(19);
    expect(await inForce(acme.owner, 'welcome')).toEqual([won[0], 'tenant']);
  });
});

describe('the history of a setting', () => {
  it('says who changed it, when, from what to what, in pages', async () => {
    const began = Date.now();
    await acme.admin.send('PUT', '/api/config/welcome', { value: 'One' });
    await acme.admin.send('PUT', '/api/config/welcome', { value: 'One' });
    await root.send('PATCH', '/api/admin/tenants/acme', { settings: { welcome: 'Two' } });
    await acme.owner.send('DELETE', '/api/config/welcome');
    const items = await historyOf(acme.owner, 'welcome');
    expect(items).toMatchObject([
      { before: 'Two', after: null, actor: { kind: 'user' } },
      { before: 'One', after: 'Two', actor: { kind: 'platform-admin' } },
      { before: null, after: 'One', actor: { kind: 'user' } },
    ]);
    expect(items[0].actor.id).not.toBe(items[2].actor.id);
    expect(Date.parse(items[2].changed_at)).toBeGreaterThanOrEqual(began - 1000);
    const first = (await acme.owner.get('/api/config/welcome/history?limit=2')).json;
    expect(first.items).toEqual(items.slice(0, 2));
    const rest = `/api/config/welcome/history?limit=2&cursor=${first.next_cursor}`;
    expect((await acme.owner.get(rest)).json).toEqual({ items: items.slice(2), next_cursor: null });
    const elsewhere = await acme.owner.get(`/api/config/model/history?cursor=${first.next_cursor}`);
    expect(told(elsewhere)).toEqual([422, 'cursor_invalid']);
    const log = (await acme.owner.get('/api/audit?event=settings.changed')).json.items;
    expect(log[0]).toMatchObject({ actor_id: items[0].actor.id, after: { welcome: null } });
  });

  it.each([
    ['acme', () => acme.owner, '/api/config'],
    ['a plan', () => root, PLAN],
    ['the platform', () => root, '/api/admin/config'],
  ])('puts an earlier value of %s back', async (_, by, base) => {
    const set = (value: number) => by().send('PUT', `${base}/audit.retention_days`, { value });
    await set(90);
    await set(120);
    const { items } = (await by().get(`${base}/audit.retention_days/history`)).json;
    const restore = (change_id: string) => by().send('POST', `${base}/audit.retention_days/restore`, { change_id });
    expect((await restore(items[1].id)).json.value).toBe(90);
    expect((await by().get(`${base}/audit.retention_days/history`)).json.items[0]).toMatchObject({
      before: 120,
      after: 90,
    });
    expect(told(await by().send('POST', `${base}/model/restore`, { change_id: items[1].id }))).toEqual([
      404,
      'setting_change_unknown',
    ]);
  });

  it('puts nothing back that is not allowed any more', async () => {
    await acme.owner.send('PUT', '/api/config/audit.retention_days', { value: 90 });
    const [{ id }] = await historyOf(acme.owner, 'audit.retention_days');
    await t.database.admin(`UPDATE platform.setting_changes SET after = '"long"'`);
    const answer = await acme.owner.send('POST', '/api/config/audit.retention_days/restore', { change_id: id });
    expect(told(answer)).toEqual([422, 'validation_failed']);
  });
});

describe('another process', () => {
  const retention = declaredSetting('audit.retention_days')!;
  const thereIn = (other: TestApp) => async () =>
    settingOf((await other.app.get(TenantLookUp).bySlug('acme'))!, retention);

  it('works by what was changed here within a second, whosever setting it is', async () => {
    const other = await secondInstance(t.database);
    try {
      const there = thereIn(other);
      await there();
      for (const [by, base, value] of [
        [root, '/api/admin/config', 101],
        [root, PLAN, 202],
        [acme.owner, '/api/config', 303],
      ] as const) {
        expect((await by.send('PUT', `${base}/audit.retention_days`, { value })).status).toBe(200);
        await expect.poll(there, { timeout: 1000, interval: 10 }).toBe(value);
      }
    } finally {
      await other.close();
    }
  });

  it('works by what was changed while the connection was cut on which it hears of changes, then and afterwards', async () => {
    const other = await secondInstance(t.database);
    const feed = other.app.get(ChangeFeed);
    const there = thereIn(other);
    const listening = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(LISTEN|SELECT 1$)'`;
    try {
      let value = 500;
      // It is back half a second later: on a busy machine that may be before the change.
      for (let missed = 0; missed === 0; value += 1) {
        expect(await there()).not.toBe(value);
        const cut = await t.database.admin(`SELECT pg_terminate_backend(pid) FROM (${listening}) listening`);
        expect(cut.length).toBeGreaterThan(0);
        await expect.poll(() => feed.live, { interval: 1 }).toBe(false);
        // What is read meanwhile is not believed later.
        expect(await there()).not.toBe(value);
        expect((await acme.owner.send('PUT', '/api/config/audit.retention_days', { value })).status).toBe(200);
        if (!feed.live) missed += 1;
        expect(await there()).toBe(value);
        await expect.poll(() => feed.live, { interval: 1 }).toBe(true);
        expect(await there()).toBe(value);
      }
      // It hears again, too.
      expect((await acme.owner.send('PUT', '/api/config/audit.retention_days', { value: 600 })).status).toBe(200);
      await expect.poll(there, { timeout: 1000, interval: 10 }).toBe(600);
    } finally {
      await other.close();
    }
  });

  it('works by what was changed while it was away', async () => {
    const before = await secondInstance(t.database);
    await thereIn(before)();
    await before.close();
    await acme.owner.send('PUT', '/api/config/audit.retention_days', { value: 404 });
    const after = await secondInstance(t.database);
    try {
      expect(await thereIn(after)()).toBe(404);
    } finally {
      await after.close();
    }
  });
});
