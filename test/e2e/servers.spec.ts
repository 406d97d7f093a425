import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createScratch, type Scratch } from '../kit/scratch-server.js';
import { addAdmin, ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
let second: Scratch;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
  second = await createScratch(inject('adminUrl'), undefined, 'server');
});
afterAll(async () => {
  await t.close();
  await second.drop();
});

const servers = '/api/admin/servers';
const list = async () => (await admin.get(servers)).json.items as { name: string; tenants: number; places: number }[];

describe('the servers that tenants are placed on', () => {
  it('begin with the one of DATABASE_URL, which counts its tenants', async () => {
    expect(await list()).toMatchObject([
      { name: 'default', region: null, weight: 100, plans: null, tenants: 3, places: 0 },
    ]);
  });

  it('are refused when they cannot be reached, or are an installation’s control plane, and nothing is taken in', async () => {
    const url = second.adminUrl.replace(/\/[^/]*$/, '/nowhere');
    const unreachable = await admin.send('POST', servers, { name: 'eu-2', url });
    expect([unreachable.status, unreachable.json.code]).toEqual([422, 'server_unfit']);
    expect(unreachable.json.detail).toContain('"nowhere" does not exist');
    const own = await admin.send('POST', servers, { name: 'eu-2', url: t.database.adminUrl });
    expect([own.status, own.json.detail]).toEqual([422, expect.stringContaining('control plane')]);
    expect(await list()).toHaveLength(1);
  });

  it.each([
    [{ name: 'EU 2' }, '/name'],
    [{ url: 'http://db.example/x' }, '/url'],
    [{ weight: -1 }, '/weight'],
    [{ plans: ['gold'] }, '/plans'],
  ])('are refused with %j', async (wrong, pointer) => {
    const { status, json } = await admin.send('POST', servers, { name: 'eu-2', url: second.adminUrl, ...wrong });
    expect([status, json.errors.map((error: { pointer: string }) => error.pointer)]).toEqual([422, [pointer]]);
  });

  it('are added with roles and shared tables, and their URL is neither shown nor stored in the clear', async () => {
    const rules = { region: 'eu', weight: 0, plans: ['enterprise'] };
    const added = await admin.send('POST', servers, { name: 'eu-2', url: second.adminUrl, ...rules });
    expect([added.status, added.headers.location]).toEqual([201, `${servers}/eu-2`]);
    expect(added.json).toMatchObject({ name: 'eu-2', ...rules, tenants: 0, places: 0 });
    expect(JSON.stringify(await list())).not.toContain('postgres:');
    const [row] = await t.database.admin<{ url: Buffer }>(`SELECT url FROM platform.servers WHERE name = 'eu-2'`);
    expect(row!.url.toString('latin1')).not.toContain('postgres');
    const again = await admin.send('POST', servers, { name: 'eu-2', url: second.adminUrl });
    expect([again.status, again.json.code]).toEqual([409, 'server_taken']);
    const tables = await second.admin(
      `SELECT 1 FROM pg_tables WHERE schemaname = 'shared' AND tablename = 'chat_messages'`,
    );
    expect(tables).toHaveLength(1);
    expect(await t.database.admin(`SELECT 1 FROM platform.audit_events WHERE event = 'server.added'`)).toHaveLength(1);
  });

  it.each(['shared', 'schema', 'database'])('serve tenants with the isolation %s', async (isolation) => {
    const slug = `eu-${isolation}`;
    const asked = await createTenant(admin, slug, {
      isolation,
      server: 'eu-2',
      settings: { 'chat.public': true, model: 'mock-1' },
    });
    expect([asked.status, asked.json.isolation, asked.json.server]).toEqual([201, isolation, 'eu-2']);
    expect(await untilStatus(admin, slug, 'active', 'failed')).toMatchObject({ status: 'active' });
    const session = await t.session(slug);
    const chat = { tenant_id: slug, session_id: session, message: 'hello' };
    expect((await t.request('POST', '/chat', { body: chat })).status).toBe(200);
    const { id } = await t.tenant(slug);
    expect(await t.database.admin('SELECT 1 FROM shared.chat_messages WHERE tenant_id = $1', [id])).toEqual([]);
    const there = await second.admin('SELECT 1 FROM shared.chat_messages WHERE tenant_id = $1', [id]);
    expect(there).toHaveLength(isolation === 'shared' ? 2 : 0);
    // The owner's invitation went out: an event of an outbox on that server.
    await expect
      .poll(async () => (await second.admin('SELECT 1 FROM shared.outbox_events WHERE tenant_id = $1', [id])).length, {
        timeout: 10_000,
      })
      .toBe(0);
  });

  it('are chosen by weight, region and plan, and a tenant that none takes is refused', async () => {
    const at = async (more: Record<string, unknown>) => (await createTenant(admin, `c-${(count += 1)}`, more)).json;
    let count = 0;
    // A weight of 0 takes none but those that name it.
    expect((await at({ plan: 'enterprise' })).server).toBe('default');
    expect((await admin.send('PATCH', `${servers}/eu-2`, { weight: 10_000 })).json).toMatchObject({ weight: 10_000 });
    expect((await at({ plan: 'enterprise', region: 'eu' })).server).toBe('eu-2');
    expect((await at({ plan: 'free' })).server).toBe('default');
    expect(await at({ plan: 'free', region: 'eu' })).toMatchObject({ status: 409, code: 'no_server' });
    expect(await at({ server: 'mars' })).toMatchObject({ status: 422, code: 'unknown_server' });
  });

  it('are not removed while something is on them, and the default one never', async () => {
    const busy = await admin.send('DELETE', `${servers}/eu-2`);
    expect([busy.status, busy.json.code]).toEqual([409, 'server_in_use']);
    expect((await admin.send('DELETE', `${servers}/default`)).status).toBe(409);
    expect((await admin.get(`${servers}/mars`)).status).toBe(404);
    const third = await createScratch(inject('adminUrl'), undefined, 'server');
    expect((await admin.send('POST', servers, { name: 'spare', url: third.adminUrl })).status).toBe(201);
    expect((await admin.send('DELETE', `${servers}/spare`)).status).toBe(204);
    expect((await list()).map(({ name }) => name)).toEqual(['default', 'eu-2']);
    await third.drop();
  });

  it('are read by whoever may look, and changed by admins alone', async () => {
    const reader = await addAdmin(t, admin, 'reader', 'read-only');
    expect((await reader.get(servers)).status).toBe(200);
    expect((await reader.send('PATCH', `${servers}/eu-2`, { weight: 1 })).status).toBe(403);
    const support = await addAdmin(t, admin, 'helper', 'support');
    expect((await support.get(servers)).status).toBe(403);
  });
});
