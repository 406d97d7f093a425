import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TenantResources } from '../../src/resources/index.js';
import { declareSetting, settingOf } from '../../src/settings/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { ROOT_ENV, signInAdmin, type SignedInAdmin } from '../kit/platform.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const HOST = declareSetting<string>({
  key: 'spec.host',
  description: 'What the resource of this spec is made of.',
  type: 'string',
  allowed: 'a text',
  default: '',
  changedBy: 'admin',
});

class HungUp extends Error {}

describe('how things of a tenant are', () => {
  let t: TestApp;
  let root: SignedInAdmin;
  let acme: SignedIn;
  let member: SignedIn;
  let globex: SignedIn;
  const checked: string[] = [];
  const set = async (host: string) => {
    expect((await acme.send('PUT', `/api/config/${HOST.key}`, { value: host })).status).toBe(200);
  };
  const peerOf = async (by: SignedIn | SignedInAdmin, path = '/api/resources') => {
    const { items } = (await by.get(path)).json as { items: { name: string }[] };
    return items.find(({ name }) => name === 'peer');
  };
  const storedOf = (slug: string) =>
    t.database.admin(
      `SELECT s.resource, s.last_error FROM platform.resource_states s JOIN platform.tenants t ON t.id = s.tenant_id
        WHERE t.slug = $1`,
      [slug],
    );
  const check = async (by: SignedIn) => (await by.send('POST', '/api/resources/peer/check')).json;

  beforeAll(async () => {
    t = await createTestApp(ROOT_ENV);
    root = await signInAdmin(t);
    acme = await signIn(t, 'acme', 'admin');
    member = await signIn(t, 'acme', 'member');
    globex = await signIn(t, 'globex', 'admin');
    t.app.get(TenantResources).declare<string>({
      name: 'peer',
      settings: [HOST],
      isSetUp: (tenant) => settingOf(tenant, HOST) !== '',
      make: (tenant) => settingOf(tenant, HOST),
      check: async (host) => {
        await Promise.resolve();
        checked.push(host);
        if (host === 'broken') throw new HungUp();
      },
      dispose: () => undefined,
      reasonOf: (error) => (error instanceof HungUp ? 'It hung up.' : undefined),
    });
  });
  afterAll(() => t.close());

  it('is not set up until acme sets it up', async () => {
    const unset = { name: 'peer', state: 'not_set_up', last_error: null, settings: [HOST.key], in_use: 0 };
    expect(await peerOf(acme)).toMatchObject(unset);
    expect(await check(acme)).toMatchObject(unset);
    expect(checked).toEqual([]);
  });

  it("can be tried out by acme's admin, who reads the error and repairs the setting", async () => {
    await set('broken');
    expect(await peerOf(acme)).toMatchObject({ state: 'unused' });
    expect(await check(acme)).toMatchObject({ state: 'failing', last_error: 'It hung up.' });
    const seen = await peerOf(acme);
    expect(seen).toMatchObject({ state: 'failing', last_error: 'It hung up.', failing_since: expect.any(String) });
    expect(await peerOf(globex)).toMatchObject({ state: 'not_set_up', last_error: null });
    const path = '/api/admin/tenants/acme/resources';
    expect(await peerOf(root, path)).toEqual(seen);
    expect(await storedOf('acme')).toEqual([{ resource: 'peer', last_error: 'It hung up.' }]);
    expect((await root.get(path)).json.process).toMatch(/^[^/]+\/\d+$/);

    await set('fine');
    expect(await peerOf(acme)).toMatchObject({ state: 'unused', last_error: null, failing_since: null });
    expect(await check(acme)).toMatchObject({ state: 'ok' });
    expect(await peerOf(acme)).toMatchObject({ state: 'ok' });
  });

  it('is tried once at a time, however often it is asked for', async () => {
    checked.length = 0;
    const resources = t.app.get(TenantResources);
    const tenant = await t.tenant('acme');
    const reports = await t.app
      .get(TenantRunner)
      .run(tenant, () => Promise.all([1, 2, 3].map(() => resources.check('peer'))));
    expect(reports.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
    expect(checked).toEqual(['fine']);
    const unknown = await acme.send('POST', '/api/resources/nothing/check');
    expect([unknown.status, unknown.json.code]).toEqual([404, 'resource_not_found']);
    expect((await root.get('/api/admin/tenants/nobody/resources')).status).toBe(404);
  });

  it("is told to nobody but acme's admins and platform admins", async () => {
    expect((await member.get('/api/resources')).status).toBe(403);
    expect((await member.send('POST', '/api/resources/peer/check')).status).toBe(403);
    const authorization = acme.headers['authorization'];
    const answer = await t.request('GET', '/api/admin/tenants/acme/resources', { headers: { authorization } });
    expect(answer.status).toBe(401);
  });
});
