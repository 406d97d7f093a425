import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkIn, mailTo, PASSWORD, program, programPermissions, userId } from '../kit/team.js';
import { bearer, signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
let owner: SignedIn;
let admin: SignedIn;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  owner = await signIn(t, 'acme', 'owner');
  admin = await signIn(t, 'acme', 'admin');
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

const invite = (by: SignedIn, email: string, role = 'member') => by.send('POST', '/api/invitations', { email, role });
const accept = (token: string, more: object = {}, tenant = 'acme') =>
  t.request('POST', '/api/invitations/accept', {
    headers: { 'x-tenant-id': tenant },
    body: { token, name: 'Jo Doe', password: PASSWORD, ...more },
  });
/** Invites and reads the mail. */
const tokenFor = async (by: SignedIn, email: string, role = 'member'): Promise<{ id: string; token: string }> => {
  const invited = await invite(by, email, role);
  expect(invited.status, invited.text).toBe(201);
  return { id: invited.json.id, token: linkIn(await mailTo(smtp, email)).token };
};

describe('an invitation', () => {
  it('brings a person into acme: by mail, with their own name and password, signed in and verified', async () => {
    const invited = await invite(admin, ' New.Person@acme.example ');
    expect([invited.status, invited.headers.location]).toEqual([201, `/api/invitations/${invited.json.id}`]);
    expect(invited.json).toMatchObject({ email: 'New.Person@acme.example', role: 'member', status: 'open' });
    expect(Date.parse(invited.json.expires_at) - Date.parse(invited.json.sent_at)).toBe(7 * 24 * 60 * 60 * 1000);
    const mail = await mailTo(smtp, 'New.Person@acme.example');
    expect(mail.subject).toBe('Admin of Acme Corp invites you to Acme Corp');
    const { leads, token } = linkIn(mail);
    expect(leads).toBe('acme.localhost/accept-invitation');

    const accepted = await accept(token);
    expect(accepted.status, accepted.text).toBe(201);
    expect(accepted.json).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
    });
    const me = await bearer(t, 'acme', accepted.json.access_token).get('/api/auth/me');
    expect(me.json).toMatchObject({ name: 'Jo Doe', role: 'member' });
    await signInAs(t, 'acme', 'new.person@acme.example', PASSWORD);
    const user = await admin.get(`/api/users/${me.json.id}`);
    expect(user.json).toMatchObject({ email: 'New.Person@acme.example', email_verified: true, status: 'active' });
    expect((await admin.get('/api/invitations?status=accepted')).json.items[0]).toMatchObject({ id: invited.json.id });
  });

  it('is accepted once, also when it is sent twelve times at once', async () => {
    const { token } = await tokenFor(admin, 'once@acme.example');
    const answers = await Promise.all(Array.from({ length: 12 }, () => accept(token)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 11 }, () => 404)]);
    expect((await accept(token)).json.code).toBe('invitation_refused');
  });

  it('of globex is unknown at acme, which globex hears of, and stays good at globex', async () => {
    const { token } = await tokenFor(await signIn(t, 'globex', 'admin'), 'abroad@globex.example');
    const bare = ({ text }: { text: string }): string => text.replace(/"request_id":"[^"]*"/, '');
    const foreign = await accept(token);
    expect(foreign.status).toBe(404);
    expect(bare(foreign)).toBe(bare(await accept('nonsense')));
    const { id } = await t.tenant('globex');
    const attempts = () =>
      t.database.admin(`SELECT tenant_id FROM everywhere.audit_events WHERE event = 'cross_tenant_access_attempt'`);
    await expect.poll(attempts).toEqual([{ tenant_id: id }]);
    expect((await accept(token, {}, 'globex')).status).toBe(201);
  });

  it('ends after seven days and then stands in the way of no other', async () => {
    const { id, token } = await tokenFor(admin, 'late@acme.example');
    await t.database.admin(`UPDATE everywhere.invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [id]);
    expect((await accept(token)).status).toBe(404);
    const expired = await admin.get('/api/invitations?status=expired');
    expect(expired.json.items.map((item: { id: string }) => item.id)).toEqual([id]);
    expect((await invite(admin, 'late@acme.example')).status).toBe(201);
  });

  it('that was revoked is void, and revoking it again changes nothing', async () => {
    const { id, token } = await tokenFor(admin, 'revoked@acme.example');
    expect((await admin.send('DELETE', `/api/invitations/${id}`)).status).toBe(204);
    expect((await admin.send('DELETE', `/api/invitations/${id}`)).status).toBe(204);
    expect((await accept(token)).status).toBe(404);
    expect((await admin.send('POST', `/api/invitations/${id}/resend`)).json.code).toBe('invitation_closed');
    const events = await t.database.admin(
      `SELECT event FROM everywhere.audit_events WHERE target_id = $1 ORDER BY occurred_at`,
      [id],
    );
    expect(events.map(({ event }) => event)).toEqual(['invitation.created', 'invitation.revoked']);
  });

  it('sent again has a new link, and the old one is void', async () => {
    const { id, token } = await tokenFor(admin, 'again@acme.example');
    expect((await admin.send('POST', `/api/invitations/${id}/resend`)).status).toBe(200);
    const { token: second } = linkIn(await mailTo(smtp, 'again@acme.example', 2));
    expect(second).not.toBe(token);
    expect((await accept(token)).status).toBe(404);
    expect((await accept(second)).status).toBe(201);
    expect((await admin.send('DELETE', `/api/invitations/${id}`)).json.code).toBe('invitation_closed');
  });

  it('is one to an address, and none to an address that has a user', async () => {
    const twice = await Promise.all(Array.from({ length: 6 }, () => invite(admin, 'twice@acme.example')));
    expect(twice.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    expect((await invite(admin, 'TWICE@acme.example')).json.code).toBe('invitation_open');
    expect((await invite(admin, 'Viewer@acme.example')).json.code).toBe('email_taken');
  });

  it('takes no poor password, no empty name and no unknown role, and survives them', async () => {
    const { token } = await tokenFor(admin, 'choosy@acme.example');
    const pointers = async (answer: ReturnType<typeof accept>): Promise<string[]> => {
      const { status, json } = await answer;
      return [status, ...new Set(json.errors.map(({ pointer }: { pointer: string }) => pointer))] as string[];
    };
    expect(await pointers(accept(token, { password: 'password123' }))).toEqual([422, '/password']);
    expect(await pointers(accept(token, { password: 'choosy@acme.example' }))).toEqual([422, '/password']);
    expect(await pointers(accept(token, { name: ' ' }))).toEqual([422, '/name']);
    expect(await pointers(invite(admin, 'x@acme.example', 'no-such-role'))).toEqual([422, '/role']);
    expect(await pointers(invite(admin, 'not an address'))).toEqual([422, '/email']);
    expect((await accept(token)).status).toBe(201);
  });

  it('offers no more than its sender has', async () => {
    const asOwner = await invite(admin, 'boss@acme.example', 'owner');
    expect([asOwner.status, asOwner.json.code]).toEqual([403, 'grant_refused']);
    const key = await program(t, 'acme', ['invitation:write', ...programPermissions('viewer')]);
    expect((await invite(key, 'boss@acme.example', 'admin')).status).toBe(403);
    expect((await invite(key, 'reader@acme.example', 'viewer')).status).toBe(201);
    const { id } = await tokenFor(owner, 'boss@acme.example', 'owner');
    expect((await admin.send('POST', `/api/invitations/${id}/resend`)).status).toBe(403);
    expect((await admin.send('DELETE', `/api/invitations/${id}`)).status).toBe(403);
  });

  it('dies with the standing of its sender, and lives again when somebody else sends it', async () => {
    const { token: own } = await tokenFor(owner, 'second@acme.example', 'admin');
    const second = bearer(t, 'acme', (await accept(own)).json.access_token);
    const { id, token } = await tokenFor(second, 'crony@acme.example', 'admin');
    const demoted = await userId(t, 'acme', 'second@acme.example');
    expect((await owner.send('PATCH', `/api/users/${demoted}`, { role: 'member' })).status).toBe(200);
    expect((await accept(token)).json.code).toBe('invitation_refused');
    expect((await owner.send('POST', `/api/invitations/${id}/resend`)).status).toBe(200);
    expect((await accept(linkIn(await mailTo(smtp, 'crony@acme.example', 2)).token)).status).toBe(201);
  });

  it('to a role that needs a second factor leads to its enrolment, not around it', async () => {
    await t.import([{ slug: 'strict', settings: { 'auth.mfa_roles': ['viewer'] } }]);
    const { id: tenantId } = await t.tenant('strict');
    const strict = await program(t, 'strict', ['invitation:write', ...programPermissions('viewer')]);
    expect((await invite(strict, 'careful@strict.example', 'viewer')).status).toBe(201);
    const answer = await accept(linkIn(await mailTo(smtp, 'careful@strict.example')).token, {}, 'strict');
    expect([answer.status, answer.json.code]).toEqual([401, 'mfa_enrolment_required']);
    const devices = await t.database.admin('SELECT 1 FROM everywhere.devices WHERE tenant_id = $1', [tenantId]);
    expect(devices).toEqual([]);
  });

  it('of acme is out of reach of globex, members and viewers', async () => {
    const { id } = await tokenFor(admin, 'inside@acme.example');
    const globex = await signIn(t, 'globex', 'owner');
    for (const path of [id, 'malformed', '019a0000-0000-7000-8000-000000000000']) {
      expect((await globex.send('DELETE', `/api/invitations/${path}`)).status).toBe(404);
      expect((await globex.send('POST', `/api/invitations/${path}/resend`)).status).toBe(404);
    }
    const listed = (await globex.get('/api/invitations?limit=200')).json.items as { email: string }[];
    expect(listed.filter(({ email }) => email.endsWith('acme.example'))).toEqual([]);
    for (const role of ['member', 'viewer']) {
      const person = await signIn(t, 'acme', role);
      expect((await person.get('/api/invitations')).status).toBe(403);
      expect((await invite(person, 'friend@acme.example', 'viewer')).status).toBe(403);
    }
  });

  it('is listed in pages, newest first', async () => {
    const first = await admin.get('/api/invitations?limit=2');
    const second = await admin.get(`/api/invitations?limit=2&cursor=${first.json.next_cursor}`);
    const ids = [...first.json.items, ...second.json.items].map(({ id }: { id: string }) => id);
    expect(ids).toHaveLength(4);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(JSON.stringify(first.json)).not.toMatch(/token|hash/);
    const globex = await signIn(t, 'globex', 'owner');
    expect((await globex.get(`/api/invitations?cursor=${first.json.next_cursor}`)).status).toBe(422);
  });
});
