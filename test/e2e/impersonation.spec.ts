import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImpersonationExpiry } from '../../src/auth/platform/impersonation.expiry.js';
import { addAdmin, adminBearer, ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { bearer, type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const withinASecond = { timeout: 1000, interval: 20 };
const eventually = { timeout: 15_000, interval: 50 };
const REASON = 'Ticket 4711: exports are empty';

let t: TestApp;
let other: TestApp;
let root: SignedInAdmin;
let sam: Awaited<ReturnType<typeof addAdmin>>;
const people: Record<string, SignedIn> = {};

beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  other = await secondInstance(t.database);
  root = await signInAdmin(t);
  sam = await addAdmin(t, root, 'sam', 'support');
  await t.import([
    { slug: 'asked', settings: { 'support.impersonation': 'consent' } },
    { slug: 'closed', settings: { 'support.impersonation': 'never' } },
  ]);
  for (const slug of ['asked', 'closed']) await peopleOf(slug);
  for (const role of ['owner', 'admin', 'member', 'viewer']) people[role] = await signIn(t, 'acme', role);
});
afterAll(async () => {
  await other.close();
  await t.close();
});

/** Copies of acme's people. */
async function peopleOf(slug: string): Promise<void> {
  await t.database.admin(
    `INSERT INTO everywhere.users (tenant_id, id, email, email_key, name, role, status, password_hash, email_verified_at)
     SELECT o.id, gen_random_uuid(), u.role || '@${slug}.example', u.role || '@${slug}.example', u.name, u.role,
            u.status, u.password_hash, now()
       FROM everywhere.users u JOIN platform.tenants a ON a.id = u.tenant_id AND a.slug = 'acme'
       JOIN platform.tenants o ON o.slug = '${slug}'`,
  );
}

async function userId(slug: string, role: string): Promise<string> {
  const { id } = await t.tenant(slug);
  const [user] = await t.database.admin<{ id: string }>(
    'SELECT id FROM everywhere.users WHERE tenant_id = $1 AND role = $2',
    [id, role],
  );
  return user!.id;
}

const ask = async (who: SignedInAdmin, tenant: string, role: string, more: object = {}) =>
  who.send('POST', '/api/admin/impersonations', {
    tenant,
    user_id: await userId(tenant, role),
    reason: REASON,
    ...more,
  });
const me = async (who: SignedIn) => (await who.get('/api/auth/me')).status;
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'));
const mailsTo = async (address: string): Promise<string[]> => {
  const folder = path.join(t.database.env.dataDir, 'mail');
  const files = await readdir(folder).catch(() => []);
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), 'utf8')));
  return texts.filter((text) => new RegExp(`^To:.*${address}`, 'm').test(text));
};
const tenantLog = async (slug: string) =>
  t.database.admin<Record<string, unknown>>(
    `SELECT event, actor_kind, actor_name, impersonator_id, impersonator_name, target_id, details
       FROM everywhere.audit_events WHERE tenant_id = $1 ORDER BY id`,
    [(await t.tenant(slug)).id],
  );
const platformLog = async (event: string) => (await root.get(`/api/admin/audit?event=${event}`)).json.items;

describe('acting as a user of acme', () => {
  it('gives a token of that user that names the admin, lasts its minutes and cannot be refreshed', async () => {
    const started = await ask(sam, 'acme', 'member', { minutes: 20 });
    expect(started.status).toBe(201);
    expect(started.json).toMatchObject({ status: 'active', tenant: 'acme', minutes: 20, token_type: 'Bearer' });
    expect(started.json).not.toHaveProperty('refresh_token');
    expect(started.headers.location).toBe(`/api/admin/impersonations/${started.json.id}`);
    const claims = claimsOf(started.json.access_token);
    expect(claims).toMatchObject({ act: { sub: sam.id, name: 'sam' }, did: started.json.id });
    expect(claims.exp - claims.iat).toBe(started.json.expires_in);
    expect(started.json.expires_in).toBeGreaterThan(19 * 60);
    expect(started.json.expires_in).toBeLessThanOrEqual(20 * 60);
    const acting = bearer(t, 'acme', started.json.access_token);
    expect((await acting.get('/api/auth/me')).json).toMatchObject({
      name: 'Member of Acme Corp',
      role: 'member',
      impersonator: { id: sam.id, name: 'sam' },
    });
    expect((await acting.send('POST', '/api/auth/refresh', {})).json.code).toBe('refresh_refused');
    const refresh = { refresh_token: started.json.access_token };
    expect((await acting.send('POST', '/api/auth/refresh', refresh)).status).toBe(422);
  });

  it('needs a reason of 10 to 500 characters, at most 30 minutes, and a user who is there', async () => {
    const pointers = async (more: object) =>
      (await ask(sam, 'acme', 'member', more)).json.errors.map((error: { pointer: string }) => error.pointer);
    for (const reason of [undefined, '', 'too short', '         x          ', 'x'.repeat(501), 'with a \0 in it', 7]) {
      expect(new Set(await pointers({ reason }))).toEqual(new Set(['/reason']));
    }
    for (const minutes of [0, 31, 1.5, '5'])
      expect(new Set(await pointers({ minutes }))).toEqual(new Set(['/minutes']));
    const strangers = [await userId('globex', 'member'), '0193f0a0-0000-7000-8000-000000000000', 'nonsense'];
    for (const user_id of strangers) expect((await ask(sam, 'acme', 'member', { user_id })).status).toBe(404);
    expect(new Set(await pointers({ tenant: 'ac\0me' }))).toEqual(new Set(['/tenant']));
    const nowhere = await ask(sam, 'acme', 'member', { tenant: 'no-such' });
    expect([nowhere.status, nowhere.json.code]).toEqual([404, 'tenant_not_found']);
  });

  it('is for the roles that may', async () => {
    for (const role of ['billing', 'read-only']) {
      const who = await addAdmin(t, root, `no-${role}`, role);
      expect((await ask(who, 'acme', 'member')).status).toBe(403);
    }
    expect((await ask(root, 'acme', 'member')).status).toBe(201);
  });

  it('works in acme and nowhere else, and what is tried elsewhere is in the log under both names', async () => {
    const { access_token } = (await ask(sam, 'acme', 'viewer')).json;
    expect(await me(bearer(t, 'globex', access_token))).toBe(404);
    expect((await adminBearer(t, access_token).get('/api/admin/auth/me')).status).toBe(401);
    const attempt = async () => (await tenantLog('acme')).find(({ event }) => event === 'cross_tenant_access_attempt');
    await expect
      .poll(attempt, eventually)
      .toMatchObject({ actor_kind: 'user', impersonator_id: sam.id, impersonator_name: 'sam' });
  });

  it('as the owner reads the log, and cannot reach what is sensitive, such as its download or consent', async () => {
    const acting = bearer(t, 'acme', (await ask(sam, 'acme', 'owner')).json.access_token);
    for (const [method, route] of [
      ['GET', '/api/audit?format=jsonl'],
      ['GET', '/api/audit?format=csv'],
      ['POST', '/api/impersonations/0193f0a0-0000-7000-8000-000000000000/approve'],
      ['POST', '/api/impersonations/0193f0a0-0000-7000-8000-000000000000/end'],
    ] as const) {
      const answer = await acting.send(method, route);
      expect([route, answer.status, answer.json.code]).toEqual([route, 403, 'refused_under_impersonation']);
    }
    for (const who of [acting, people['owner']!]) expect((await who.get('/api/audit')).status).toBe(200);
    expect((await people['owner']!.get('/api/audit?format=csv')).status).toBe(200);
  });

  it('is told to the owners by mail, and stands in both logs', async () => {
    const { id } = (await ask(sam, 'acme', 'admin', { reason: 'Ticket 99: the invoice is wrong' })).json;
    await expect
      .poll(async () => (await mailsTo('owner@acme.example')).some((mail) => mail.includes('Ticket 99')), eventually)
      .toBe(true);
    expect(await mailsTo('member@acme.example')).toEqual([]);
    const target_id = await userId('acme', 'admin');
    const held = (await tenantLog('acme')).find(
      ({ details }) => (details as { impersonation?: string }).impersonation === id,
    );
    expect(held).toMatchObject({
      event: 'impersonation.started',
      actor_kind: 'platform-admin',
      actor_name: 'sam',
      target_id,
      details: { reason: 'Ticket 99: the invoice is wrong', minutes: 30 },
    });
    const [newest] = await platformLog('impersonation.started');
    expect(newest).toMatchObject({
      actor_id: sam.id,
      tenant_id: (await t.tenant('acme')).id,
      reason: 'Ticket 99: the invoice is wrong',
      target_id,
    });
  });

  it('is seen by the admins of acme alone', async () => {
    const lists = Object.fromEntries(
      await Promise.all(
        ['owner', 'admin', 'member', 'viewer'].map(async (role) => [
          role,
          (await people[role]!.get('/api/impersonations')).status,
        ]),
      ),
    );
    expect(lists).toEqual({ owner: 200, admin: 200, member: 403, viewer: 403 });
    const { json } = await people['admin']!.get('/api/impersonations?limit=1');
    expect(json.items[0]).toMatchObject({ admin_name: 'sam', reason: expect.any(String), status: 'active' });
    const next = await people['admin']!.get(`/api/impersonations?limit=1&cursor=${json.next_cursor}`);
    expect(next.json.items[0].id < json.items[0].id).toBe(true);
    const globex = await signIn(t, 'globex', 'owner');
    expect((await globex.get('/api/impersonations')).json.items).toEqual([]);
    expect((await globex.get(`/api/impersonations?cursor=${json.next_cursor}`)).json.code).toBe('cursor_invalid');
    for (const step of ['approve', 'refuse', 'end']) {
      const answer = await globex.send('POST', `/api/impersonations/${json.items[0].id}/${step}`);
      expect([step, answer.status]).toEqual([step, 404]);
    }
    expect((await root.get('/api/admin/impersonations')).json.items[0]).toMatchObject({ tenant: 'acme' });
  });
});

describe('it ends within a second on every instance', () => {
  /** In use on both instances, so that both have it in their caches. */
  const begin = async (who = sam) => {
    const { id, access_token } = (await ask(who, 'acme', 'member')).json;
    const [here, there] = [bearer(t, 'acme', access_token), bearer(other, 'acme', access_token)];
    expect([await me(here), await me(there)]).toEqual([200, 200]);
    return { id, here, there };
  };
  const isOver = async ({ here, there }: Awaited<ReturnType<typeof begin>>) =>
    expect.poll(async () => [await me(here), await me(there)], withinASecond).toEqual([401, 401]);

  it('when the admin ends it, and again changes nothing', async () => {
    const begun = await begin();
    const end = () => sam.send('POST', `/api/admin/impersonations/${begun.id}/end`);
    expect((await end()).status).toBe(204);
    await isOver(begun);
    expect((await end()).status).toBe(204);
    const ends = (await tenantLog('acme')).filter(({ event }) => event === 'impersonation.ended');
    expect(ends).toHaveLength(1);
    expect(await platformLog('impersonation.ended')).toHaveLength(1);
    const token = await sam.send('POST', `/api/admin/impersonations/${begun.id}/token`);
    expect([token.status, token.json.code]).toEqual([409, 'impersonation_over']);
  });

  it("when an admin of acme ends it, but not at a member's word", async () => {
    const begun = await begin();
    expect((await people['member']!.send('POST', `/api/impersonations/${begun.id}/end`)).status).toBe(403);
    expect((await people['admin']!.send('POST', `/api/impersonations/${begun.id}/end`)).status).toBe(204);
    await isOver(begun);
  });

  it('when its time is up', async () => {
    const begun = await begin();
    await t.database.admin(
      `UPDATE platform.impersonations SET expires_at = now() + interval '300 milliseconds' WHERE id = $1`,
      [begun.id],
    );
    await t.database.admin(`SELECT pg_notify('tenantry_impersonations', $1)`, [begun.id]);
    await expect.poll(async () => [await me(begun.here), await me(begun.there)], eventually).toEqual([401, 401]);
    expect((await root.get(`/api/admin/impersonations/${begun.id}`)).json.status).toBe('expired');
    // Said in both logs, once, however many processes look.
    await Promise.all([t, other].flatMap(({ app }) => [1, 2].map(() => app.get(ImpersonationExpiry).noteAll())));
    const ofIt = ({ event, details }: Record<string, unknown>) =>
      event === 'impersonation.expired' && (details as { impersonation: string }).impersonation === begun.id;
    expect((await tenantLog('acme')).filter(ofIt)).toMatchObject([{ actor_kind: 'system' }]);
    expect((await platformLog('impersonation.expired')).filter(ofIt)).toHaveLength(1);
    expect((await root.get(`/api/admin/impersonations/${begun.id}`)).json.status).toBe('expired');
  });

  it('when the admin is disabled, given a role that may not, or signs out everywhere', async () => {
    const changes: ((who: Awaited<ReturnType<typeof addAdmin>>) => Promise<{ status: number }>)[] = [
      (who) => root.send('PATCH', `/api/admin/admins/${who.id}`, { status: 'disabled' }),
      (who) => root.send('PATCH', `/api/admin/admins/${who.id}`, { role: 'billing' }),
      (who) => who.send('POST', '/api/admin/auth/logout-all'),
    ];
    for (const [index, change] of changes.entries()) {
      const who = await addAdmin(t, root, `helper-${index}`, 'support');
      const begun = await begin(who);
      expect((await change(who)).status).toBeLessThan(300);
      await isOver(begun);
      expect((await root.get(`/api/admin/impersonations/${begun.id}`)).json.status).toBe('ended');
    }
  });

  it('when the user is signed out everywhere', async () => {
    const begun = await begin();
    const member = await signIn(t, 'acme', 'member');
    expect((await member.send('POST', '/api/auth/logout-all')).status).toBe(204);
    await isOver(begun);
  });
});

describe('a tenant that wants to be asked', () => {
  const request = async () => (await ask(sam, 'asked', 'member', { minutes: 5 })).json;
  const token = (id: string, who: SignedInAdmin = sam) => who.send('POST', `/api/admin/impersonations/${id}/token`);

  it('is asked by mail, and nothing works before it agrees', async () => {
    const asked = await request();
    expect(asked).toMatchObject({ status: 'pending', started_at: null, expires_at: null });
    expect(asked).not.toHaveProperty('access_token');
    expect((await token(asked.id)).json.code).toBe('impersonation_pending');
    await expect.poll(async () => (await mailsTo('owner@asked.example')).length, eventually).toBe(1);
    const admin = await signIn(t, 'asked', 'admin');
    const approve = (who: SignedIn) => who.send('POST', `/api/impersonations/${asked.id}/approve`);
    expect((await approve(await signIn(t, 'asked', 'member'))).status).toBe(403);
    const approved = await approve(admin);
    expect(approved.json).toMatchObject({ status: 'active', decided_by: await userId('asked', 'admin') });
    expect((await approve(admin)).json.code).toBe('impersonation_over');

    const given = await token(asked.id);
    expect(given.json.expires_in).toBeLessThanOrEqual(5 * 60);
    expect(await me(bearer(t, 'asked', given.json.access_token))).toBe(200);
    expect((await token(asked.id, root)).json.code).toBe('impersonation_not_found');
    const events = (await tenantLog('asked')).filter(({ event }) => String(event).startsWith('impersonation.'));
    expect(events.map(({ event, actor_kind }) => [event, actor_kind])).toEqual([
      ['impersonation.requested', 'platform-admin'],
      ['impersonation.started', 'user'],
    ]);
    expect((await sam.send('POST', `/api/admin/impersonations/${asked.id}/end`)).status).toBe(204);
  });

  it('may refuse, and then it cannot be had any more', async () => {
    const asked = await request();
    const owner = await signIn(t, 'asked', 'owner');
    expect((await owner.send('POST', `/api/impersonations/${asked.id}/refuse`)).json.status).toBe('refused');
    expect((await owner.send('POST', `/api/impersonations/${asked.id}/approve`)).json.code).toBe('impersonation_over');
    expect((await token(asked.id)).json.code).toBe('impersonation_over');
  });

  it('that agrees and refuses at the same time has decided once', async () => {
    const asked = await request();
    const owner = await signIn(t, 'asked', 'owner');
    const steps = ['approve', 'refuse', 'approve', 'refuse', 'approve', 'refuse'];
    const answers = await Promise.all(
      steps.map((step) => owner.send('POST', `/api/impersonations/${asked.id}/${step}`)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(5);
  });

  it('that does not answer for a day has not agreed', async () => {
    const asked = await request();
    await t.database.admin(
      `UPDATE platform.impersonations SET created_at = now() - interval '25 hours' WHERE id = $1`,
      [asked.id],
    );
    const owner = await signIn(t, 'asked', 'owner');
    expect((await owner.send('POST', `/api/impersonations/${asked.id}/approve`)).status).toBe(409);
    expect((await root.get(`/api/admin/impersonations/${asked.id}`)).json.status).toBe('expired');
  });
});

it('a tenant that lets nobody in lets nobody in', async () => {
  const refused = await ask(root, 'closed', 'member');
  expect([refused.status, refused.json.code]).toEqual([403, 'impersonation_refused']);
  expect(await tenantLog('closed')).toEqual([]);
});

it('thirty at once in two directions wait for no connection of each other', async () => {
  const owner = await signIn(t, 'asked', 'owner');
  const pending = await Promise.all(Array.from({ length: 15 }, () => ask(sam, 'asked', 'member')));
  const answers = await Promise.all([
    ...Array.from({ length: 15 }, () => ask(sam, 'acme', 'member')),
    ...pending.map(({ json }) => owner.send('POST', `/api/impersonations/${json.id}/approve`)),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([...Array(15).fill(201), ...Array(15).fill(200)]);
});
