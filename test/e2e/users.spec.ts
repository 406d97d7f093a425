import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/index.js';
import { CredentialCodec } from '../../src/tenancy/index.js';
import { holdRows } from '../kit/held-rows.js';
import { join, linkIn, mailTo, PASSWORD, program, programPermissions, userId } from '../kit/team.js';
import { impersonate } from '../kit/impersonation.js';
import { outboxEmpty } from '../kit/people.js';
import { bearer, signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, serveTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
let owner: SignedIn;
let admin: SignedIn;
let ownerId: string;
let memberId: string;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  owner = await signIn(t, 'acme', 'owner');
  admin = await signIn(t, 'acme', 'admin');
  ownerId = await userId(t, 'acme', 'owner@acme.example');
  memberId = await userId(t, 'acme', 'member@acme.example');
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

/** What a member holds, which is what may be given by whoever is to make members. */
const MEMBER = programPermissions('member');

const add = (by: SignedIn, email: string, role = 'member', name = 'Jo Doe') =>
  by.send('POST', '/api/users', { email, name, role });
const change = (by: SignedIn, id: string, body: object) => by.send('PATCH', `/api/users/${id}`, body);
const remove = (by: SignedIn, id: string) => by.send('DELETE', `/api/users/${id}`);
const emails = async (query: string): Promise<string[]> =>
  (await admin.get(`/api/users?${query}`)).json.items.map(({ email }: { email: string }) => email);

describe('a user', () => {
  it('is added without a password and sent a link to set one', async () => {
    const added = await add(admin, 'added@acme.example');
    expect([added.status, added.headers.location]).toEqual([201, `/api/users/${added.json.id}`]);
    expect(added.json).toMatchObject({
      role: 'member',
      status: 'active',
      email_verified: false,
      last_sign_in_at: null,
    });
    expect((await admin.get(added.headers.location ?? '')).json).toEqual(added.json);
    const mail = await mailTo(smtp, 'added@acme.example');
    expect(mail.subject).toBe('Admin of Acme Corp invites you to Acme Corp');
    const { leads, token } = linkIn(mail);
    expect(leads).toBe('acme.localhost/reset-password');
    const { id: tenantId } = await t.tenant('acme');
    const opened = t.app.get(CredentialCodec).open('reset-password', token);
    expect(opened?.tenantId).toBe(tenantId);
    const [stored] = await t.database.admin(
      'SELECT user_id, purpose, token_hash FROM everywhere.user_tokens WHERE id = $1',
      [opened?.subjectId],
    );
    expect(stored).toEqual({ user_id: added.json.id, purpose: 'reset-password', token_hash: sha256(token) });
    await expect(signInAs(t, 'acme', 'added@acme.example', '')).rejects.toThrow();
    const [event] = await t.database.admin<{ actor_name: string; after: object }>(
      `SELECT actor_name, after FROM everywhere.audit_events WHERE event = 'user.created' AND target_id = $1`,
      [added.json.id],
    );
    expect(event).toMatchObject({ actor_name: 'Admin of Acme Corp', after: { role: 'member' } });
  });

  it('has an address of their own in acme, whatever its case, also when added eight times at once', async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => add(admin, 'eight@acme.example')));
    expect(many.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
    expect((await add(admin, 'EIGHT@acme.example')).json.code).toBe('email_taken');
    expect((await add(await signIn(t, 'globex', 'admin'), 'eight@acme.example')).status).toBe(201);
    expect((await change(admin, memberId, { email: 'Eight@acme.example' })).json.code).toBe('email_taken');
  });

  it('is refused with the fields at fault', async () => {
    const fields = async (body: object, method = 'POST', path = '/api/users') => {
      const { status, json } = await admin.send(method, path, body);
      return [status, ...new Set(json.errors.map(({ pointer }: { pointer: string }) => pointer))];
    };
    expect(await fields({})).toEqual([422, '/email', '/name', '/role']);
    expect(await fields({ email: 'x@acme.example', name: 'X\nY', role: 'member' })).toEqual([422, '/name']);
    expect(await fields({ email: 'x@acme.example', name: 'X', role: 'no-such' })).toEqual([422, '/role']);
    expect(await fields({ role: 'no-such' }, 'PATCH', `/api/users/${memberId}`)).toEqual([422, '/role']);
    expect(await fields({ status: 'gone' }, 'PATCH', `/api/users/${memberId}`)).toEqual([422, '/status']);
  });

  it('is found by role, status and a part of name or address, which means only itself', async () => {
    await add(admin, 'odd_one@acme.example', 'viewer', '100% O\\dd');
    expect(await emails('role=owner')).toEqual(['owner@acme.example']);
    expect(await emails('q=ODD_ONE')).toEqual(['odd_one@acme.example']);
    expect(await emails(`q=${encodeURIComponent('100% o\\d')}`)).toEqual(['odd_one@acme.example']);
    for (const pattern of ['%25', 'o%25r', 'o_ner'])
      expect(await emails(`q=${pattern}`)).not.toContain('owner@acme.example');
    expect(await emails('status=disabled')).toEqual([]);
    expect((await admin.get(`/api/users?q=${'x'.repeat(101)}`)).status).toBe(422);
    expect((await admin.get('/api/users?q=%00')).status).toBe(422);
  });

  it('is listed once in pages that are of no use to globex', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await admin.get(`/api/users?limit=3${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.json.items.map(({ id }: { id: string }) => id));
      cursor = page.json.next_cursor ?? '';
      if (cursor)
        expect((await (await signIn(t, 'globex', 'admin')).get(`/api/users?cursor=${cursor}`)).status).toBe(422);
    } while (cursor);
    const { id } = await t.tenant('acme');
    const all = await t.database.admin('SELECT id FROM everywhere.users WHERE tenant_id = $1 ORDER BY id', [id]);
    expect(seen).toEqual(all.map((row) => row['id']));
    expect((await admin.get('/api/users?limit=200')).text).not.toMatch(/password|argon2|secret/);
  });

  it('of acme does not exist for globex', async () => {
    const globex = await signIn(t, 'globex', 'owner');
    for (const id of [memberId, 'malformed', '019a0000-0000-7000-8000-000000000000']) {
      expect((await globex.get(`/api/users/${id}`)).status).toBe(404);
      expect((await change(globex, id, { role: 'viewer' })).status).toBe(404);
      expect((await remove(globex, id)).status).toBe(404);
    }
    expect((await admin.get(`/api/users/${memberId}`)).json.role).toBe('member');
  });

  it('who is a member or viewer reads and changes nobody', async () => {
    for (const role of ['member', 'viewer']) {
      const person = await signIn(t, 'acme', role);
      const answers = await Promise.all([
        person.get('/api/users'),
        person.get(`/api/users/${memberId}`),
        add(person, 'friend@acme.example'),
        change(person, memberId, { role: 'admin' }),
        remove(person, memberId),
        person.get('/api/roles'),
        person.get('/api/permissions'),
        person.send('POST', '/api/roles', { name: 'mine', permissions: [] }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403));
    }
  });
});

describe('an address that changes', () => {
  const verify = (body: object) =>
    t.request('POST', '/api/auth/verify-email', { headers: { 'x-tenant-id': 'acme' }, body });
  const forgot = async (email: string) => {
    const answer = await t.request('POST', '/api/auth/forgot-password', {
      headers: { 'x-tenant-id': 'acme' },
      body: { email },
    });
    expect(answer.status).toBe(202);
    await outboxEmpty(t);
  };
  const subjects = (address: string) => smtp.to(address).map(({ subject }) => subject);

  it('takes nobody over: whoever changes it and reads the new mailbox gets neither reset link nor account', async () => {
    const victim = await join(t, smtp, admin, 'victim@acme.example', 'admin');
    const id = await userId(t, 'acme', 'victim@acme.example');
    const changed = await change(admin, id, { email: 'mine@evil.example' });
    expect(changed.json).toMatchObject({
      email: 'victim@acme.example',
      email_verified: true,
      pending_email: 'mine@evil.example',
    });
    const { leads, token } = linkIn(await mailTo(smtp, 'mine@evil.example'));
    expect(leads).toBe('acme.localhost/verify-email');
    for (const address of ['mine@evil.example', 'victim@acme.example']) await forgot(address);
    expect(subjects('mine@evil.example')).toHaveLength(1);
    expect(subjects('victim@acme.example')).toEqual([
      expect.stringContaining('invites you'),
      expect.stringContaining('Another mail address'),
      expect.stringContaining('Set a new password'),
    ]);
    await expect(signInAs(t, 'acme', 'mine@evil.example', PASSWORD)).rejects.toThrow('401');

    const alone = await verify({ token });
    expect([alone.status, alone.json.code]).toEqual([403, 'password_needed']);
    expect((await verify({ token, password: 'a guess at it' })).json.code).toBe('password_refused');
    expect((await victim.get('/api/auth/me')).json).toMatchObject({ email: 'victim@acme.example' });

    // The person agrees.
    expect((await verify({ token, password: PASSWORD })).status).toBe(204);
    expect((await verify({ token, password: PASSWORD })).json.code).toBe('link_invalid');
    expect((await admin.get(`/api/users/${id}`)).json).toMatchObject({
      email: 'mine@evil.example',
      email_verified: true,
      pending_email: null,
    });
    expect((await mailTo(smtp, 'victim@acme.example', 4)).text).toContain('mine@evil.example');
    // Links to the address before are void.
    const tokens = await t.database.admin('SELECT 1 FROM everywhere.user_tokens WHERE user_id = $1', [id]);
    expect(tokens).toEqual([]);
    await signInAs(t, 'acme', 'mine@evil.example', PASSWORD);
    await expect(signInAs(t, 'acme', 'victim@acme.example', PASSWORD)).rejects.toThrow('401');
    const events = await t.database.admin(
      `SELECT before, after FROM everywhere.audit_events WHERE event = 'user.email-changed' AND target_id = $1`,
      [id],
    );
    expect(events).toEqual([{ before: { email: 'victim@acme.example' }, after: { email: 'mine@evil.example' } }]);
  });

  it('of somebody who never had a password is theirs by the link alone', async () => {
    const id = (await add(admin, 'tpyo@acme.example')).json.id as string;
    await change(admin, id, { email: 'typo@acme.example' });
    expect((await verify({ token: linkIn(await mailTo(smtp, 'typo@acme.example')).token })).status).toBe(204);
    expect((await admin.get(`/api/users/${id}`)).json).toMatchObject({ email: 'typo@acme.example' });
  });

  it('is only another case of the same, and then at once; what merely looks the same waits', async () => {
    const id = (await add(admin, 'case@acme.example')).json.id as string;
    const respelled = await change(admin, id, { email: 'Case@acme.example' });
    expect(respelled.json).toMatchObject({ email: 'Case@acme.example', pending_email: null });
    const lookalike = await change(admin, id, { email: 'ｃase@acme.example' });
    expect(lookalike.json).toMatchObject({ email: 'Case@acme.example', pending_email: 'ｃase@acme.example' });
    const withdrawn = await change(admin, id, { email: 'Case@acme.example' });
    expect(withdrawn.json.pending_email).toBeNull();
    expect((await verify({ token: linkIn(await mailTo(smtp, 'ｃase@acme.example')).token })).json.code).toBe(
      'link_invalid',
    );
  });

  it('is changed by the person with their password, and verified by the link alone', async () => {
    const person = await join(t, smtp, admin, 'mover@acme.example', 'member');
    const ask = (body: object) => person.send('POST', '/api/auth/change-email', body);
    expect((await ask({ email: 'moved@acme.example', current_password: 'a guess' })).json.code).toBe(
      'password_refused',
    );
    expect((await ask({ email: 'no address', current_password: PASSWORD })).json.errors[0].pointer).toBe('/email');
    expect((await ask({ email: 'owner@acme.example', current_password: PASSWORD })).json.code).toBe('email_taken');
    expect((await ask({ email: 'moved@acme.example', current_password: PASSWORD })).status).toBe(202);
    expect((await person.get('/api/auth/me')).json).toMatchObject({
      email: 'mover@acme.example',
      email_verified: true,
      mfa_enabled: false,
      pending_email: 'moved@acme.example',
    });
    expect((await mailTo(smtp, 'mover@acme.example', 2)).text).toContain('moved@acme.example');
    expect((await verify({ token: linkIn(await mailTo(smtp, 'moved@acme.example')).token })).status).toBe(204);
    expect((await person.get('/api/auth/me')).json).toMatchObject({ email: 'moved@acme.example', pending_email: null });
    const support = await impersonate(t, 'acme', 'member');
    expect((await support.send('POST', '/api/auth/change-email', {})).status).toBe(422);
    const refused = await support.send('POST', '/api/auth/change-email', {
      email: 'support@evil.example',
      current_password: 'demo-password',
    });
    expect(refused.json.code).toBe('refused_under_impersonation');
  });

  it('that somebody else took meanwhile is refused when it is verified', async () => {
    const id = (await add(admin, 'slow@acme.example')).json.id as string;
    await change(admin, id, { email: 'wanted@acme.example' });
    const { token } = linkIn(await mailTo(smtp, 'wanted@acme.example'));
    expect((await add(admin, 'wanted@acme.example')).status).toBe(201);
    expect((await verify({ token })).json.code).toBe('email_taken');
  });
});

describe('an API key with an expiry or address ranges', () => {
  it.each([
    ['expires_at', new Date(Date.now() + 3_600_000)],
    ['address_ranges', ['127.0.0.0/8']],
  ])('makes no person and changes no role or address, which would shed its %s', async (column, value) => {
    const key = await program(t, 'acme', ['user:write', 'invitation:write', 'role:write', ...MEMBER]);
    await t.database.admin(`UPDATE everywhere.api_keys SET ${column} = $1 WHERE key_hash = $2`, [
      value,
      sha256(key.accessToken),
    ]);
    await t.database.admin(`SELECT pg_notify('tenantry_auth', '')`);
    const id = (await add(admin, `of-${column}@acme.example`)).json.id as string;
    const invited = await admin.send('POST', '/api/invitations', {
      email: `in-${column}@acme.example`,
      role: 'member',
    });
    await owner.send('POST', '/api/roles', { name: column.replace('_', '-'), permissions: [] });
    for (const answer of [
      await add(key, 'by-bounded@acme.example'),
      await key.send('POST', '/api/invitations', { email: 'by-bounded@acme.example', role: 'member' }),
      await key.send('POST', `/api/invitations/${invited.json.id}/resend`),
      await change(key, id, { role: 'viewer' }),
      await change(key, id, { email: 'by-bounded@acme.example' }),
      await key.send('PATCH', `/api/roles/${column.replace('_', '-')}`, { permissions: ['session:read'] }),
    ])
      expect([answer.status, answer.json.code]).toEqual([403, 'api_key_bounded']);
    expect((await change(key, id, { name: 'Renamed' })).status).toBe(200);
    expect((await change(key, id, { status: 'disabled' })).status).toBe(200);
    expect((await change(key, id, { status: 'active' })).json.code).toBe('api_key_bounded');
  });

  it('has its invitations refused once it has them', async () => {
    const key = await program(t, 'acme', ['invitation:write', ...MEMBER]);
    const email = 'late-bounds@acme.example';
    expect((await key.send('POST', '/api/invitations', { email, role: 'member' })).status).toBe(201);
    const { token } = linkIn(await mailTo(smtp, email));
    await t.database.admin(`UPDATE everywhere.api_keys SET address_ranges = '{10.0.0.0/8}' WHERE key_hash = $1`, [
      sha256(key.accessToken),
    ]);
    const answer = await t.request('POST', '/api/invitations/accept', {
      headers: { 'x-tenant-id': 'acme' },
      body: { token, name: 'Jo', password: PASSWORD },
    });
    expect(answer.json.code).toBe('invitation_refused');
  });
});

describe('mails that members have sent', () => {
  it('go five times an hour to one address, whoever asks and by whatever route, counted for every process', async () => {
    const second = await serveTestApp(t.database);
    try {
      const key = await program(t, 'globex', ['user:write', 'invitation:write', ...MEMBER]);
      const there = bearer(second, 'globex', key.accessToken);
      const email = 'flooded@stranger.example';
      const invited = await key.send('POST', '/api/invitations', { email, role: 'member' });
      const resend = (by: SignedIn) => by.send('POST', `/api/invitations/${invited.json.id}/resend`);
      const many = await Promise.all([key, there, key, there, key, there].map(resend));
      expect(many.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 429, 429]);
      const refused = many.find(({ status }) => status === 429);
      expect([refused?.json.code, refused?.headers['retry-after']]).toEqual(['too_many_mails', '3600']);
      expect((await there.send('DELETE', `/api/invitations/${invited.json.id}`)).status).toBe(204);
      expect((await add(there, email)).json.code).toBe('too_many_mails');
      const id = (await add(key, 'other@stranger.example')).json.id as string;
      expect((await change(key, id, { email })).json.code).toBe('too_many_mails');
      // Another tenant's are its own.
      expect((await add(admin, email)).status).toBe(201);
      const stored = await t.database.admin<{ text: string }>(
        `SELECT string_agg(m::text, ' ') AS text FROM everywhere.member_mails m`,
      );
      expect(stored[0]?.text).not.toContain('stranger');
    } finally {
      await second.app.close();
    }
  });

  it('are bounded for the tenant as a whole by its setting', async () => {
    await t.import([{ slug: 'quiet', settings: { 'limits.member_mails_per_hour': 3 } }]);
    const key = await program(t, 'quiet', ['invitation:write', ...MEMBER]);
    const statuses = [];
    for (let n = 0; n < 4; n += 1) {
      const body = { email: `guest-${n}@stranger.example`, role: 'member' };
      statuses.push((await key.send('POST', '/api/invitations', body)).status);
    }
    expect(statuses).toEqual([201, 201, 201, 429]);
    expect(
      await t.database.admin(`SELECT 1 FROM everywhere.invitations WHERE email_key = 'guest-3@stranger.example'`),
    ).toEqual([]);
  });
});

describe('whoever is disabled or deleted', () => {
  it.each(['disabled', 'deleted'])('is out everywhere within a second, on every instance: %s', async (how) => {
    const email = `${how}@acme.example`;
    const here = await join(t, smtp, admin, email, 'member');
    const there = await signInAs(t, 'acme', email, PASSWORD);
    const id = await userId(t, 'acme', email);
    const second = await serveTestApp(t.database);
    try {
      const me = (on: TestApp) => on.request('GET', '/api/auth/me', { headers: there.headers });
      expect([(await me(t)).status, (await me(second)).status]).toEqual([200, 200]);
      const gone = how === 'deleted' ? await remove(admin, id) : await change(admin, id, { status: 'disabled' });
      expect(gone.status).toBe(how === 'deleted' ? 204 : 200);
      for (const on of [t, second]) await expect.poll(async () => (await me(on)).status, { timeout: 1000 }).toBe(401);
      expect((await here.get('/api/auth/me')).status).toBe(401);
      const refreshed = await here.send('POST', '/api/auth/refresh', { refresh_token: here.refreshToken });
      expect(refreshed.status).toBe(401);
      await expect(signInAs(t, 'acme', email, PASSWORD)).rejects.toThrow('401');
      expect(await t.database.admin('SELECT 1 FROM everywhere.devices WHERE user_id = $1', [id])).toEqual([]);
      if (how === 'deleted') expect((await remove(admin, id)).status).toBe(404);
      else {
        expect((await change(admin, id, { status: 'active' })).status).toBe(200);
        expect((await here.get('/api/auth/me')).status).toBe(401);
        await signInAs(t, 'acme', email, PASSWORD);
      }
    } finally {
      await second.app.close();
    }
  });

  it('gets or loses permissions at once, and stays signed in, when the role changes', async () => {
    const person = await join(t, smtp, admin, 'riser@acme.example', 'viewer');
    const id = await userId(t, 'acme', 'riser@acme.example');
    await change(admin, id, { role: 'admin' });
    await expect.poll(async () => (await person.get('/api/users')).status, { timeout: 1000 }).toBe(200);
    await change(admin, id, { role: 'viewer' });
    await expect.poll(async () => (await person.get('/api/users')).status, { timeout: 1000 }).toBe(403);
    expect((await person.get('/api/auth/me')).json.role).toBe('viewer');
  });
});

describe('nobody', () => {
  it('gives what they lack, not to others and not to themselves', async () => {
    const adminId = await userId(t, 'acme', 'admin@acme.example');
    for (const answer of [
      await add(admin, 'king@acme.example', 'owner'),
      await change(admin, memberId, { role: 'owner' }),
      await change(admin, adminId, { role: 'owner' }),
    ])
      expect([answer.status, answer.json.code]).toEqual([403, 'grant_refused']);
    await owner.send('POST', '/api/roles', { name: 'hr', permissions: ['user:read', 'user:write', 'user:delete'] });
    const hr = await join(t, smtp, owner, 'hr@acme.example', 'hr');
    expect((await add(hr, 'reader@acme.example', 'viewer')).json.detail).toContain('session:read');
    expect((await add(hr, 'colleague@acme.example', 'hr')).status).toBe(201);
  });

  it('touches who has more: an admin cannot change, disable or delete an owner', async () => {
    for (const body of [{ role: 'member' }, { status: 'disabled' }, { name: 'Nobody' }, { email: 'me@acme.example' }])
      expect((await change(admin, ownerId, body)).json.code).toBe('grant_refused');
    expect((await remove(admin, ownerId)).json.code).toBe('grant_refused');
    expect((await owner.get('/api/auth/me')).json).toMatchObject({ role: 'owner', name: 'Owner of Acme Corp' });
  });

  it('reaches further with an API key than the key itself', async () => {
    const key = await program(t, 'acme', ['user:write', 'user:delete', ...programPermissions('viewer')]);
    expect((await key.get('/api/users')).status).toBe(403);
    expect((await add(key, 'by-key@acme.example', 'viewer')).status).toBe(201);
    expect((await add(key, 'more@acme.example', 'member')).json.code).toBe('grant_refused');
    expect((await change(key, memberId, { status: 'disabled' })).json.code).toBe('grant_refused');
    const all = ['owner:manage', ...(await owner.get('/api/auth/me')).json.permissions];
    const strongest = await program(t, 'acme', all);
    expect((await change(strongest, ownerId, { name: 'Nobody' })).json.code).toBe('grant_refused');
  });
});

describe('the last active owner', () => {
  it('is neither demoted nor disabled nor deleted, not even by themselves', async () => {
    const strict = await signIn(t, 'initech', 'owner');
    const id = await userId(t, 'initech', 'owner@initech.example');
    for (const answer of [
      await change(strict, id, { role: 'admin' }),
      await change(strict, id, { status: 'disabled' }),
      await remove(strict, id),
    ])
      expect([answer.status, answer.json.code]).toEqual([409, 'last_owner']);
    // A disabled owner is none.
    const other = await userId(t, 'initech', 'member@initech.example');
    expect((await change(strict, other, { role: 'owner' })).status).toBe(200);
    expect((await change(strict, other, { status: 'disabled' })).status).toBe(200);
    expect((await change(strict, id, { role: 'admin' })).json.code).toBe('last_owner');
    expect((await change(strict, other, { status: 'active' })).status).toBe(200);
    expect((await change(strict, id, { role: 'admin' })).status).toBe(200);
  });

  it.each([
    ['demote', (by: SignedIn, id: string) => change(by, id, { role: 'member' })],
    ['disable', (by: SignedIn, id: string) => change(by, id, { status: 'disabled' })],
    ['delete', (by: SignedIn, id: string) => remove(by, id)],
  ])('is left when two owners %s each other at the same moment', async (what, strike) => {
    const { tenantId, left, right, ids } = await twoOwners(`duel-${what}`);
    const held = await holdRows(t.database, 'SELECT 1 FROM everywhere.users WHERE tenant_id = $1 FOR UPDATE', [
      tenantId,
    ]);
    const strikes = [strike(left, ids.right), strike(right, ids.left)];
    // Both are past the guard and at the rows.
    await expect.poll(() => held.waiting()).toBe(2);
    await held.release();
    const answers = await Promise.all(strikes);
    const succeeded = answers.filter(({ status }) => status < 300);
    expect(succeeded, answers.map(({ text }) => text).join()).toHaveLength(1);
    const failed = answers.find(({ status }) => status >= 300);
    // The loser is no owner any more, so they reach the other no longer.
    expect([401, 403]).toContain(failed?.status);
    const owners = await t.database.admin(
      `SELECT 1 FROM everywhere.users WHERE tenant_id = $1 AND role = 'owner' AND status = 'active'`,
      [tenantId],
    );
    expect(owners).toHaveLength(1);
  });

  it('is left when two owners resign at the same moment', async () => {
    const { left, right, ids } = await twoOwners('resign');
    const answers = await Promise.all([
      change(left, ids.left, { role: 'member' }),
      change(right, ids.right, { status: 'disabled' }),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });
});

/** A tenant with two owners and nobody else. */
async function twoOwners(slug: string) {
  await t.import([{ slug }]);
  const { id: tenantId } = await t.tenant(slug);
  const key = await program(t, slug, (await admin.get('/api/auth/me')).json.permissions);
  const left = await join(t, smtp, key, `left@${slug}.example`, 'member');
  const right = await join(t, smtp, key, `right@${slug}.example`, 'member');
  await t.database.admin(`UPDATE everywhere.users SET role = 'owner' WHERE tenant_id = $1`, [tenantId]);
  await t.database.admin(`SELECT pg_notify('tenantry_auth', $1)`, [`${tenantId}:*`]);
  for (const person of [left, right])
    await expect.poll(async () => (await person.get('/api/auth/me')).json.role).toBe('owner');
  const ids = {
    left: await userId(t, slug, `left@${slug}.example`),
    right: await userId(t, slug, `right@${slug}.example`),
  };
  return { tenantId, left, right, ids };
}
