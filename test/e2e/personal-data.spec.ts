import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { impersonate } from '../kit/impersonation.js';
import { holdRows } from '../kit/held-rows.js';
import { newPerson } from '../kit/people.js';
import { bearer, signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());

const ROUTE = '/api/auth/me';
const idOf = async (who: SignedIn): Promise<string> => (await who.get(ROUTE)).json.id;
async function converse(who: SignedIn, message: string): Promise<{ credential: string; id: string }> {
  const credential: string = (await who.send('POST', '/session', {})).json.session_id;
  expect((await who.send('POST', '/chat', { session_id: credential, message })).status).toBe(200);
  return { credential, id: (await who.get(`/api/sessions/${credential}`)).json.id };
}
async function set(slug: string, settings: object): Promise<void> {
  await t.database.admin('UPDATE platform.tenants SET settings = settings || $2 WHERE slug = $1', [slug, settings]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  await expect.poll(async () => (await t.tenant(slug)).settings).toMatchObject(settings);
}

describe('the download of personal data', () => {
  it('holds profile, devices, sessions, messages and audit events of the member, and nothing of others', async () => {
    const member = await signIn(t, 'acme', 'member');
    const { id } = await converse(member, 'what I wrote');
    await converse(await signIn(t, 'acme', 'owner'), 'what the owner wrote');
    await converse(await signIn(t, 'globex', 'member'), 'what globex wrote');
    const answer = await member.get(`${ROUTE}/data`);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-disposition': 'attachment; filename="personal-data-acme.json"',
      'content-type': 'application/json; charset=utf-8',
    });
    const user = await idOf(member);
    expect(answer.json.profile).toMatchObject({ id: user, email: 'member@acme.example', role: 'member' });
    expect(answer.json.devices).toEqual([expect.objectContaining({ address: '127.0.0.1' })]);
    expect(answer.json.sessions).toEqual([expect.objectContaining({ id, user_id: user })]);
    expect(answer.json.messages.map((m: { session_id: string; role: string }) => [m.session_id, m.role])).toEqual([
      [id, 'user'],
      [id, 'assistant'],
    ]);
    expect(new Set(answer.json.audit_events.map((event: { actor_id: string }) => event.actor_id))).toEqual(
      new Set([user]),
    );
    expect(answer.json.audit_events[0].event).toBe('personal-data.exported');
    for (const strange of ['owner wrote', 'globex', 'argon2', 'hash']) expect(answer.text).not.toContain(strange);
  });

  it('holds what others keep of the person: invitations, keys, who acted as them, and what was done to them', async () => {
    const [owner, admin] = [await signIn(t, 'initech', 'owner'), await signIn(t, 'initech', 'admin')];
    const id = await idOf(admin);
    const key = (await admin.send('POST', '/api/api-keys', { name: 'mine', permissions: [] })).json;
    await impersonate(t, 'initech', 'admin');
    await impersonate(t, 'initech', 'owner');
    await owner.send('PATCH', `/api/users/${id}`, { name: 'Renamed by the owner' });
    const { id: tenant } = await t.tenant('initech');
    await t.database.admin(
      `INSERT INTO everywhere.invitations (tenant_id, id, email, email_key, role, token_hash, expires_at, accepted_at)
       SELECT $1, gen_random_uuid(), e, e, 'admin', '', now(), now()
         FROM unnest(ARRAY['admin@initech.example', 'other@initech.example']) e`,
      [tenant],
    );
    const { json, text } = await admin.get(`${ROUTE}/data`);
    expect(json.invitations).toEqual([expect.objectContaining({ email: 'admin@initech.example', status: 'accepted' })]);
    expect(json.api_keys).toEqual([expect.objectContaining({ id: key.id, name: 'mine' })]);
    expect(json.impersonations).toEqual([expect.objectContaining({ user_id: id, reason: 'a test' })]);
    expect(json.audit_events_about_you).toEqual([
      expect.objectContaining({ event: 'user.changed', actor_id: await idOf(owner), address: null }),
    ]);
    expect(text).not.toContain(key.key);
    expect(text).not.toContain('other@initech.example');
  });

  it('is whole over many pages', async () => {
    const member = await signIn(t, 'globex', 'viewer');
    const user = await idOf(member);
    const { id: tenant } = await t.tenant('globex');
    await t.database.admin(
      `INSERT INTO everywhere.chat_sessions (tenant_id, id, token_hash, user_id)
       SELECT $1, gen_random_uuid(), sha256(n::text::bytea), $2 FROM generate_series(1, 1001) n`,
      [tenant, user],
    );
    await t.database.admin(
      `INSERT INTO everywhere.chat_messages (tenant_id, id, session_id, role, content)
       SELECT tenant_id, gen_random_uuid(), id, 'user', 'x' FROM everywhere.chat_sessions WHERE user_id = $1 LIMIT 300`,
      [user],
    );
    const { json } = await member.get(`${ROUTE}/data`);
    const ids = (items: { id: string }[]) => new Set(items.map(({ id }) => id)).size;
    expect([ids(json.sessions), ids(json.messages)]).toEqual([1001, 300]);
  });

  it('is not for programs, nor for a platform admin who acts as the owner', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    const { key } = (await owner.send('POST', '/api/api-keys', { name: 'bot', permissions: ['session:read'] })).json;
    expect((await bearer(t, 'acme', key).get(`${ROUTE}/data`)).status).toBe(403);
    const support = await impersonate(t, 'acme', 'owner');
    const tries = [
      await support.get(`${ROUTE}/data`),
      await support.send('DELETE', ROUTE, { password: 'demo-password' }),
    ];
    expect(tries.map(({ json }) => json.code)).toEqual(tries.map(() => 'refused_under_impersonation'));
    expect((await owner.get(ROUTE)).status).toBe(200);
  });
});

describe('deleting the own account', () => {
  it('asks for the password, and holds those who guess', async () => {
    const member = await signIn(t, 'globex', 'member');
    const empty = await member.send('DELETE', ROUTE, {});
    expect([empty.status, empty.json.errors?.[0].pointer, empty.json.code]).toEqual([
      422,
      '/password',
      'validation_failed',
    ]);
    const codes: string[] = [];
    for (let n = 0; n < 6; n += 1)
      codes.push((await member.send('DELETE', ROUTE, { password: `guess ${n}` })).json.code);
    expect(codes[0]).toBe('password_refused');
    expect(codes.at(-1)).toBe('too_many_attempts');
    expect((await member.get(ROUTE)).status).toBe(200);
  });

  it("signs acme's member out everywhere and leaves their messages without them", async () => {
    const [here, there] = [await signIn(t, 'acme', 'member'), await signIn(t, 'acme', 'member')];
    const user = await idOf(here);
    const { credential, id } = await converse(here, 'stays');
    expect((await here.send('DELETE', ROUTE, { password: 'demo-password' })).status).toBe(204);
    for (const who of [here, there]) {
      await expect.poll(async () => (await who.get(ROUTE)).json.code, { timeout: 1000 }).toBe('credential_invalid');
    }
    const refreshed = await t.request('POST', '/api/auth/refresh', {
      headers: { 'x-tenant-id': 'acme' },
      body: { refresh_token: there.refreshToken },
    });
    expect(refreshed.status).toBe(401);
    await expect(signIn(t, 'acme', 'member')).rejects.toThrow('sign_in_refused');
    const [session] = await t.database.admin<{ user_id: string | null }>(
      'SELECT user_id FROM everywhere.chat_sessions WHERE id = $1',
      [id],
    );
    expect(session).toEqual({ user_id: null });
    const admin = await signIn(t, 'acme', 'admin');
    expect((await admin.get(`/api/sessions/${id}/messages`)).text).toContain('stays');
    // Also not by the credential, which the person may have kept.
    expect((await t.request('GET', `/acme/api/sessions/${credential}`)).status).toBe(401);
    expect((await admin.get(`/api/sessions/${credential}/messages`)).status).not.toBe(500);
    for (const table of ['devices', 'user_tokens', 'recovery_codes']) {
      expect(await t.database.admin(`SELECT 1 FROM everywhere.${table} WHERE user_id = $1`, [user])).toEqual([]);
    }
    const [event] = await t.database.admin<{ event: string }>(
      `SELECT e::text AS event FROM everywhere.audit_events e WHERE event = 'user.deleted' AND target_id = $1`,
      [user],
    );
    expect(event?.event).toContain('anonymise');
    expect(event?.event).not.toMatch(/member@|Member of/);
  });

  it("takes initech's messages along where the tenant says so", async () => {
    await set('initech', { 'auth.deleted_user_messages': 'remove' });
    const member = await signIn(t, 'initech', 'member');
    const { id } = await converse(member, 'goes');
    const kept = await converse(await signIn(t, 'initech', 'owner'), 'stays');
    expect((await member.send('DELETE', ROUTE, { password: 'demo-password' })).status).toBe(204);
    const left = await t.database.admin<{ session_id: string }>(
      'SELECT DISTINCT session_id FROM everywhere.chat_messages WHERE session_id = ANY ($1)',
      [[id, kept.id]],
    );
    expect(left).toEqual([{ session_id: kept.id }]);
  });

  it('leaves no invitation with the address behind, whoever deletes the person', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    const [leaver, sent] = [await newPerson(t, 'acme'), await newPerson(t, 'acme')];
    const { id: tenant } = await t.tenant('acme');
    await t.database.admin(
      `INSERT INTO everywhere.invitations (tenant_id, id, email, email_key, role, token_hash, expires_at, accepted_at)
       SELECT $1, gen_random_uuid(), e, e, 'member', '', now(), now() FROM unnest($2::text[]) e`,
      [tenant, [leaver.email, sent.email]],
    );
    const leaving = await signInAs(t, 'acme', leaver.email, 'demo-password');
    expect((await leaving.send('DELETE', ROUTE, { password: 'demo-password' })).status).toBe(204);
    expect((await owner.send('DELETE', `/api/users/${sent.id}`)).status).toBe(204);
    const left = await t.database.admin('SELECT 1 FROM everywhere.invitations WHERE email_key = ANY ($1)', [
      [leaver.email, sent.email],
    ]);
    expect(left).toEqual([]);
  });

  it('keeps the last owner, also of two who leave at the same time', async () => {
    const owner = await signIn(t, 'initech', 'owner');
    const refused = await owner.send('DELETE', ROUTE, { password: 'demo-password' });
    expect([refused.status, refused.json.code]).toEqual([409, 'last_owner']);

    const second = await signIn(t, 'initech', 'admin');
    await t.database.admin(`UPDATE everywhere.users SET role = 'owner' WHERE id = $1`, [await idOf(second)]);
    const answers = await Promise.all(
      [owner, second].map((who) => who.send('DELETE', ROUTE, { password: 'demo-password' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
  });

  it('waits for nobody who waits for it: an owner changes the person at the same time', async () => {
    const owner = await signIn(t, 'globex', 'owner');
    const ownerId = await idOf(owner);
    for (let n = 0; n < 12; n += 1) {
      const person = await newPerson(t, 'globex');
      // Sorts before the owner, whom both lock as well.
      const id = person.id.replace(/^......../, '00000000');
      await t.database.admin('UPDATE everywhere.users SET id = $2 WHERE id = $1', [person.id, id]);
      const leaving = await signInAs(t, 'globex', person.email, 'demo-password');
      const held = await holdRows(t.database, 'SELECT 1 FROM everywhere.users WHERE id = $1 FOR UPDATE', [ownerId]);
      const answers = [
        leaving.send('DELETE', ROUTE, { password: 'demo-password' }),
        owner.send('PATCH', `/api/users/${id}`, { name: `Renamed ${n}` }),
      ];
      await expect.poll(() => held.waiting(), { timeout: 10_000 }).toBe(2);
      await held.release();
      const [left, renamed] = await Promise.all(answers);
      expect([left?.status, left?.text]).toEqual([204, '']);
      expect([200, 404]).toContain(renamed?.status);
    }
  });

  it('keeps the API keys that the person made', async () => {
    const admin = await signIn(t, 'acme', 'admin');
    const { id, key } = (await admin.send('POST', '/api/api-keys', { name: 'bot', permissions: ['session:read'] }))
      .json;
    expect((await admin.send('DELETE', ROUTE, { password: 'demo-password' })).status).toBe(204);
    expect((await bearer(t, 'acme', key).get('/api/sessions')).status).toBe(200);
    expect((await (await signIn(t, 'acme', 'owner')).get(`/api/api-keys/${id}`)).status).toBe(200);
  });
});
