import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TENANT_ENTITIES } from '../../src/app.module.js';
import { newId } from '../../src/common/index.js';
import { declaredSettings } from '../../src/settings/index.js';
import { TenantKeys } from '../../src/secrets/index.js';
import { CopyIds, TenantCopies, TenantErasure, TenantRetirement } from '../../src/tenant/index.js';
import { Provisioner } from '../../src/tenant/provisioning/provisioner.js';
import { liftAddressLimits, mailTo, outboxEmpty } from '../kit/people.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { bearer, type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';
import { createTenant, untilStatus } from '../kit/tenants.js';

const ASKER = 'owner@acme.example';

let smtp: TestSmtp;
let t: TestApp;
let root: SignedInAdmin;
let acme: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url });
  await liftAddressLimits(t);
  root = await signInAdmin(t);
  [acme, globex] = await Promise.all([signIn(t, 'acme', 'owner'), signIn(t, 'globex', 'owner')]);
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});
/** What an earlier test made counts no more. */
beforeEach(() =>
  t.database.admin(
    `UPDATE platform.tenants SET status = 'archived', created_at = now() - interval '2 days'
      WHERE holder_tenant_id IS NOT NULL`,
  ),
);

const at = (slug: string, rest = '') => `/api/sandboxes/${slug}${rest}`;
const rows = (table: string, slug: string, columns = '*') =>
  t.database.admin<Record<string, unknown>>(
    `SELECT ${columns} FROM everywhere.${table} x WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1) ORDER BY id`,
    [slug],
  );

async function made(by: SignedIn, body: Record<string, unknown> = {}, until = 'active') {
  const answer = await by.send('POST', '/api/sandboxes', body);
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  await untilSandbox(by, answer.json.slug, until);
  return answer.json as { id: string; slug: string; expires_at: string };
}

async function untilSandbox(by: SignedIn, slug: string, status: string): Promise<void> {
  await expect.poll(async () => (await by.get(at(slug))).json.status, { timeout: 60_000, interval: 50 }).toBe(status);
}

async function enter(by: SignedIn, slug: string, app = t): Promise<SignedIn> {
  const code = await by.send('POST', at(slug, '/access'));
  expect([code.status, code.json.slug]).toEqual([200, slug]);
  const answer = await app.request('POST', '/api/auth/sandbox-access', {
    headers: { 'x-tenant-id': slug },
    body: { code: code.json.code },
  });
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return bearer(app, slug, answer.json.access_token, answer.json.refresh_token);
}

/** Sessions of visitors and of the owner, with so many messages in all. */
async function talk(slug: string, messages: number, sessions = 20): Promise<void> {
  const { id } = await t.tenant(slug);
  const ids = Array.from({ length: sessions }, () => newId());
  await t.database.admin(
    `INSERT INTO everywhere.chat_sessions (tenant_id, id, token_hash, user_id)
     SELECT $1, s.id, sha256(s.id::text::bytea), CASE WHEN s.n % 2 = 0 THEN
              (SELECT id FROM everywhere.users WHERE tenant_id = $1 AND email_key = $3) END
       FROM unnest($2::uuid[]) WITH ORDINALITY AS s (id, n)`,
    [id, ids, `owner@${slug}.example`],
  );
  await t.database.admin(
    `INSERT INTO everywhere.chat_messages (tenant_id, id, session_id, role, content)
     SELECT $1, m.id, ($3::uuid[])[1 + m.n % $4], 'user', 'message ' || m.n
       FROM unnest($2::uuid[]) WITH ORDINALITY AS m (id, n)`,
    [id, Array.from({ length: messages }, () => newId()), ids, sessions],
  );
}

describe('a sandbox of acme', () => {
  it('has its settings, a lifetime, and lets in who asked for it', async () => {
    await root.send('PATCH', '/api/admin/tenants/acme', {
      settings: { welcome: 'Hi!', 'app.url': 'https://app.acme.example', 'cors.origins': ['https://acme.example'] },
    });
    const answer = await acme.send('POST', '/api/sandboxes', {});
    expect([answer.status, answer.headers['location']]).toEqual([201, `/api/sandboxes/${answer.json.slug}`]);
    expect(answer.json).toMatchObject({ status: 'provisioning', kind: 'sandbox', source: 'acme', with_data: false });
    expect(answer.json.slug).toMatch(/^acme-sandbox(-\d+)?$/);
    const days = (Date.parse(answer.json.expires_at) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(13.9);
    expect(days).toBeLessThanOrEqual(14);
    const { slug } = answer.json;
    await untilSandbox(acme, slug, 'active');

    const seen = (await root.get(`/api/admin/tenants/${slug}`)).json;
    expect(seen.settings).toMatchObject({ welcome: 'Hi!', 'mail.sandbox_recipients': [ASKER] });
    expect(Object.keys(seen.settings)).not.toEqual(expect.arrayContaining(['app.url']));
    expect(Object.keys(seen.settings)).not.toEqual(expect.arrayContaining(['cors.origins']));
    const inside = await enter(acme, slug);
    expect((await inside.get('/api/auth/me')).json).toMatchObject({ role: 'owner', email: ASKER });
    expect((await inside.get('/api/users')).json.items).toHaveLength(1);
    expect(await rows('users', slug, 'password_hash, mfa_secret')).toEqual([{ password_hash: null, mfa_secret: null }]);
    expect((await inside.send('POST', '/api/sandboxes', {})).json.code).toBe('sandbox_of_sandbox');
    const log = (await acme.get('/api/audit?limit=10')).json.items.map((item: { event: string }) => item.event);
    expect(log).toEqual(expect.arrayContaining(['sandbox.created', 'sandbox.entered']));
    expect((await acme.get('/api/sandboxes')).json).toMatchObject({ items: [{ slug }], next_cursor: null });
  });

  it('with data has 5,000 messages in their order under other ids, and nothing secret', async () => {
    await talk('acme', 5000);
    await acme.send('POST', '/api/roles', { name: 'guide', permissions: ['session:read'] });
    const { slug, id } = await made(acme, { slug: 'acme-full', with_data: true, kind: 'training', lifetime_days: 90 });
    const ids = new CopyIds(id);
    const [source, copy] = await Promise.all([rows('chat_messages', 'acme'), rows('chat_messages', slug)]);
    expect(copy.length).toBeGreaterThanOrEqual(5000);
    expect(copy.map((row) => row['content'])).toEqual(source.map((row) => row['content']));
    expect(copy.map((row) => [row['id'], row['session_id']])).toEqual(
      source.map((row) => [ids.of(row['id'] as string), ids.of(row['session_id'] as string)]),
    );
    const [sessions, copied] = await Promise.all([rows('chat_sessions', 'acme'), rows('chat_sessions', slug)]);
    expect(copied.map((row) => row['user_id'])).toEqual(
      sessions.map((row) => (row['user_id'] === null ? null : ids.of(row['user_id'] as string))),
    );
    const hashes = new Set(sessions.map((row) => (row['token_hash'] as Buffer).toString('hex')));
    expect(copied.filter((row) => hashes.has((row['token_hash'] as Buffer).toString('hex')))).toEqual([]);
    expect(await rows('roles', slug, 'name, permissions')).toEqual([{ name: 'guide', permissions: ['session:read'] }]);

    const people = await rows('users', slug);
    expect(people).toHaveLength((await rows('users', 'acme')).length + 1);
    for (const person of people.filter(({ email }) => email !== ASKER)) {
      expect(person).toMatchObject({
        email: `${person['id'] as string}@sandbox.invalid`,
        email_key: `${person['id'] as string}@sandbox.invalid`,
        status: 'disabled',
        password_hash: null,
        mfa_secret: null,
        pending_email: null,
        last_sign_in_at: null,
      });
    }
    const left = ['devices', 'user_tokens', 'api_keys', 'recovery_codes', 'known_addresses', 'invitations'];
    for (const table of [...left, 'external_identities', 'sso_sign_ins']) {
      expect([table, await rows(table, slug)]).toEqual([table, []]);
    }
  }, 60_000);

  it('does not exist for globex, by the same bytes as one that nobody has', async () => {
    const { slug } = await made(acme, { slug: 'acme-mine' });
    const calls: [string, string][] = [
      ['GET', ''],
      ['POST', '/reset'],
      ['POST', '/access'],
      ['DELETE', ''],
    ];
    for (const [method, rest] of calls) {
      const body = method === 'POST' ? {} : undefined;
      const [foreign, unknown] = [
        await globex.send(method, at(slug, rest), body),
        await globex.send(method, at('acme-none', rest), body),
      ];
      const bytes = (text: string, name: string) =>
        text.replaceAll(name, 'SLUG').replace(/"request_id":"[^"]+"/, '"request_id":""');
      expect([method, foreign.status, bytes(foreign.text, slug)]).toEqual([
        method,
        404,
        bytes(unknown.text, 'acme-none'),
      ]);
    }
    expect((await globex.get('/api/sandboxes')).json.items).toEqual([]);
    expect((await acme.get(at(slug))).json.status).toBe('active');
    // A production tenant is nobody's sandbox.
    expect((await acme.send('DELETE', at('globex'))).json.code).toBe('sandbox_not_found');
    expect((await acme.send('DELETE', at('acme'))).json.code).toBe('sandbox_not_found');
    expect((await (await signIn(t, 'acme', 'admin')).get('/api/sandboxes')).json.code).toBe('permission_missing');
  });

  it.each([
    [{ lifetime_days: 0 }, '/lifetime_days'],
    [{ lifetime_days: 91 }, '/lifetime_days'],
    [{ lifetime_days: '7' }, '/lifetime_days'],
    [{ kind: 'production' }, '/kind'],
    [{ with_data: 'yes' }, '/with_data'],
    [{ slug: 'No Slug' }, '/slug'],
    [{ slug: 'api' }, '/slug'],
    [{ slug: 7 }, '/slug'],
    [{ name: ' ' }, '/name'],
    [{ template: ['acme'] }, '/template'],
  ])('is refused for %j', async (body, pointer) => {
    const answer = await acme.send('POST', '/api/sandboxes', body);
    expect([answer.status, answer.json.errors[0].pointer]).toEqual([422, pointer]);
  });

  it('is one of five, also for many that are asked for at once; and one of twenty a day', async () => {
    const answers = await Promise.all(Array.from({ length: 9 }, () => acme.send('POST', '/api/sandboxes', {})));
    const good = answers.filter(({ status }) => status === 201);
    expect(good).toHaveLength(5);
    expect(new Set(good.map(({ json }) => json.slug)).size).toBe(5);
    for (const { json } of answers.filter(({ status }) => status !== 201)) expect(json.code).toBe('too_many_sandboxes');
    const taken = await globex.send('POST', '/api/sandboxes', { slug: good[0]?.json.slug });
    expect([taken.status, taken.json.code]).toEqual([409, 'slug_taken']);
    for (const { json } of good) await untilSandbox(acme, json.slug, 'active');
    expect((await acme.send('DELETE', at(good[0]?.json.slug))).status).toBe(204);
    await t.database.admin(
      `INSERT INTO platform.tenants (id, slug, name, plan, kind, status, holder_tenant_id)
       SELECT gen_random_uuid(), 'gone-' || n, 'Gone', 'free', 'sandbox', 'archived', $1 FROM generate_series(1, 15) n`,
      [(await t.tenant('acme')).id],
    );
    const tired = await acme.send('POST', '/api/sandboxes', {});
    expect([tired.status, tired.json.code, tired.headers['retry-after']]).toEqual([
      429,
      'too_many_sandboxes_today',
      '3600',
    ]);
  });

  it('is made once for one Idempotency-Key', async () => {
    const headers = { ...acme.headers, 'idempotency-key': newId() };
    const [one, other] = [
      await t.request('POST', '/api/sandboxes', { headers, body: {} }),
      await t.request('POST', '/api/sandboxes', { headers, body: {} }),
    ];
    expect([one.status, other.status, other.json.slug]).toEqual([201, 201, one.json.slug]);
    expect((await acme.get('/api/sandboxes')).json.items).toHaveLength(1);
  });

  it('is archived when it is removed: its sign-ins end, and it is as good as gone', async () => {
    const { slug } = await made(acme);
    const inside = await enter(acme, slug);
    expect((await acme.send('DELETE', at(slug))).status).toBe(204);
    expect((await root.get(`/api/admin/tenants/${slug}`)).json.status).toBe('archived');
    await expect.poll(async () => (await inside.get('/api/auth/me')).status).toBe(404);
    for (const answer of [await acme.get(at(slug)), await acme.send('DELETE', at(slug))]) {
      expect(answer.json.code).toBe('sandbox_not_found');
    }
  });
});

it('a sandbox of globex, whose chats are encrypted, has what was said, under a key of its own', async () => {
  const SECRET = 'the tulips bloom at midnight';
  const encrypt = async (value: boolean) => {
    expect((await globex.send('PUT', '/api/config/chat.encrypted', { value })).status).toBe(200);
  };
  await encrypt(true);
  const { session_id: session } = (await globex.send('POST', '/session', {})).json;
  const { status, json } = await globex.send('POST', '/chat', { session_id: session, message: SECRET });
  expect([status, json.reply]).toEqual([200, expect.any(String)]);
  const said = [SECRET, json.reply as string];
  const { id: opened } = (await globex.get(`/api/sessions/${session}`)).json;
  const messagesOf = async (by: SignedIn, id: string) => {
    const answer = await by.get(`/api/sessions/${id}/messages`);
    expect(answer.status, answer.text).toBe(200);
    return answer.json.items.map(({ content }: { content: string }) => content);
  };
  const contents = async (slug: string) => (await rows('chat_messages', slug)).map((row) => row['content'] as string);

  const { slug, id } = await made(globex, { with_data: true });
  const copied = new CopyIds(id).of(opened);
  const [source, copy] = [await contents('globex'), await contents(slug)];
  expect(copy.length).toBe(source.length);
  expect(copy.filter((content) => !content.startsWith('\u0001s') || source.includes(content))).toEqual([]);
  const keys = t.app.get(TenantKeys);
  const [ofGlobex, own] = [await keys.find((await t.tenant('globex')).id), await keys.find(id)];
  expect(own && ofGlobex?.equals(own)).toBe(false);
  expect(await messagesOf(await enter(globex, slug), copied)).toEqual(said);

  // A reset destroys the key and makes another.
  const reset = async () => {
    expect((await globex.send('POST', at(slug, '/reset'))).status).toBe(202);
    await untilSandbox(globex, slug, 'active');
  };
  await reset();
  expect((await contents(slug)).filter((content) => copy.includes(content))).toEqual([]);
  expect(await messagesOf(await enter(globex, slug), copied)).toEqual(said);
  await encrypt(false);
  await reset();
  expect(await contents(slug)).toEqual(expect.arrayContaining(said));
  expect(await messagesOf(await enter(globex, slug), copied)).toEqual(said);
});

describe('the code that lets in', () => {
  const redeem = (slug: string, code: unknown) =>
    t.request('POST', '/api/auth/sandbox-access', { headers: { 'x-tenant-id': slug }, body: { code } });

  it('works once, in its own sandbox, for five minutes', async () => {
    const [{ slug }, other] = [await made(acme), await made(acme)];
    const give = async () => (await acme.send('POST', at(slug, '/access'))).json.code as string;
    const code = await give();
    for (const [where, what] of [
      [other.slug, code],
      ['acme', code],
      [slug, `${code.slice(0, -1)}${code.endsWith('A') ? 'B' : 'A'}`],
      [slug, 'x'],
    ] as const) {
      const answer = await redeem(where, what);
      expect([where, answer.status, answer.json.code]).toEqual([where, 401, 'sandbox_code_refused']);
    }
    const answers = await Promise.all(Array.from({ length: 6 }, () => redeem(slug, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401, 401]);
    const late = await give();
    await t.database.admin(`UPDATE platform.sandbox_access SET expires_at = now() - interval '1 second'`);
    expect((await redeem(slug, late)).status).toBe(401);
    expect((await redeem(slug, 7)).status).toBe(422);
  });

  it('makes another owner of acme an owner there too, and no one of somebody who is disabled there', async () => {
    const { slug } = await made(acme);
    await t.database.admin(
      `INSERT INTO everywhere.users (tenant_id, id, email, email_key, name, role, password_hash)
       SELECT tenant_id, $1, 'two@acme.example', 'two@acme.example', 'Two', 'owner', password_hash
         FROM everywhere.users WHERE email_key = $2 AND password_hash IS NOT NULL`,
      [newId(), ASKER],
    );
    const two = bearer(t, 'acme', await tokenOf('two@acme.example'));
    const inside = await enter(two, slug);
    expect((await inside.get('/api/auth/me')).json).toMatchObject({ role: 'owner', email: 'two@acme.example' });
    await t.database.admin(
      `UPDATE everywhere.users SET status = 'disabled' WHERE email_key = 'two@acme.example'
         AND tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1)`,
      [slug],
    );
    const { code } = (await two.send('POST', at(slug, '/access'))).json;
    expect((await redeem(slug, code)).json.code).toBe('sandbox_account_taken');
  });

  async function tokenOf(email: string): Promise<string> {
    const answer = await t.request('POST', '/api/auth/login', {
      headers: { 'x-tenant-id': 'acme' },
      body: { email, password: 'demo-password' },
    });
    return answer.json.access_token as string;
  }
});

describe('a reset', () => {
  async function resetDone(id: string): Promise<void> {
    const state = async () =>
      (
        await t.database.admin<{ state: string }>('SELECT state FROM platform.provisionings WHERE tenant_id = $1', [id])
      )[0]?.state;
    await expect.poll(state, { timeout: 30_000 }).toBe('done');
  }

  it('brings the data, settings and people back, and ends every sign-in; the tenant and its end stay', async () => {
    const { slug, id, expires_at: ends } = await made(acme, { with_data: true });
    const before = (await rows('chat_messages', slug)).map((row) => row['id']);
    const inside = await enter(acme, slug);
    const visitor = await t.request('POST', '/session', { headers: inside.headers, body: {} });
    expect(visitor.status).toBe(201);
    await root.send('PATCH', `/api/admin/tenants/${slug}`, { settings: { welcome: 'Broken' } });
    await t.database.admin('DELETE FROM everywhere.chat_messages WHERE tenant_id = $1 AND id = ANY ($2)', [
      id,
      before.slice(0, 100),
    ]);

    const answers = await Promise.all(Array.from({ length: 4 }, () => acme.send('POST', at(slug, '/reset'))));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409]);
    expect(answers.find(({ status }) => status === 202)?.json).toMatchObject({ id, slug, status: 'resetting' });
    expect(answers.find(({ status }) => status === 409)?.json).toMatchObject({ code: 'sandbox_not_ready' });
    expect((await acme.send('POST', at(slug, '/access'))).json.code).toBe('sandbox_not_ready');
    await untilSandbox(acme, slug, 'active');
    expect((await rows('chat_messages', slug)).map((row) => row['id'])).toEqual(before);
    const seen = (await root.get(`/api/admin/tenants/${slug}`)).json;
    expect([seen.id, seen.expires_at, seen.suspended_reason]).toEqual([id, ends, null]);
    expect(seen.settings).toMatchObject({ welcome: 'Hi!', 'mail.sandbox_recipients': [ASKER] });
    expect((await inside.get('/api/auth/me')).status).toBe(401);
    expect((await (await enter(acme, slug)).get('/api/auth/me')).json.email).toBe(ASKER);

    expect((await acme.send('POST', at(slug, '/reset'))).status).toBe(202);
    await untilSandbox(acme, slug, 'active');
    expect((await rows('chat_messages', slug)).map((row) => row['id'])).toEqual(before);
    expect((await rows('users', slug)).filter(({ email }) => email === ASKER)).toHaveLength(1);
  }, 60_000);

  it('that fails leaves the sandbox suspended, and can be asked for again', async () => {
    const { slug, id } = await made(acme, { with_data: true });
    await t.database.admin(`CREATE FUNCTION everywhere.refuse_copy() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.tenant_id = '${id}' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$`);
    await t.database.admin(
      'CREATE TRIGGER refuse BEFORE INSERT ON everywhere.chat_messages FOR EACH ROW EXECUTE FUNCTION everywhere.refuse_copy()',
    );
    const hurry = setInterval(
      () =>
        void t.database.admin(
          'UPDATE platform.provisionings SET next_attempt_at = now() WHERE attempts > 0 AND lease IS NULL',
        ),
      100,
    );
    try {
      expect((await acme.send('POST', at(slug, '/reset'))).status).toBe(202);
      await untilSandbox(acme, slug, 'suspended');
    } finally {
      clearInterval(hurry);
      await t.database.admin('DROP TRIGGER refuse ON everywhere.chat_messages');
    }
    expect((await root.send('POST', `/api/admin/tenants/${slug}/resume`)).json.code).toBe('tenant_reset_failed');
    expect((await acme.send('POST', at(slug, '/reset'))).status).toBe(202);
    await untilSandbox(acme, slug, 'active');
    expect(await rows('chat_messages', slug)).toHaveLength((await rows('chat_messages', 'acme')).length);
  }, 60_000);

  it('is refused for a sandbox that an admin suspended, whatever became of an earlier reset', async () => {
    const { slug, id } = await made(acme);
    await t.database.admin(`UPDATE platform.provisionings SET state = 'failed' WHERE tenant_id = $1`, [id]);
    await root.send('POST', `/api/admin/tenants/${slug}/suspend`, { reason: 'Abuse' });
    const answer = await acme.send('POST', at(slug, '/reset'));
    expect([answer.status, answer.json.status, answer.json.sandbox_status]).toEqual([409, 409, 'suspended']);
  });

  it('is nothing that an admin can cut short, and leaves suspended what an admin suspends meanwhile', async () => {
    const { slug, id } = await made(acme, { with_data: true });
    const tenant = `/api/admin/tenants/${slug}`;
    expect((await acme.send('POST', at(slug, '/reset'))).status).toBe(202);
    await t.database.admin(`UPDATE platform.provisionings SET next_attempt_at = 'infinity' WHERE tenant_id = $1`, [id]);
    const refused = await root.send('POST', `${tenant}/resume`);
    expect([refused.status, refused.json.code, refused.headers['retry-after']]).toEqual([409, 'tenant_resetting', '3']);
    const suspended = await root.send('POST', `${tenant}/suspend`, { reason: 'Abuse' });
    expect([suspended.status, suspended.json]).toMatchObject([200, { status: 'suspended', suspended_reason: 'Abuse' }]);
    expect((await root.send('POST', `${tenant}/suspend`, { reason: 'Again' })).json.code).toBe(
      'transition_not_allowed',
    );
    expect((await root.send('POST', `${tenant}/resume`)).json.code).toBe('tenant_resetting');
    await t.database.admin(`UPDATE platform.provisionings SET state = 'failed' WHERE tenant_id = $1`, [id]);
    expect((await root.send('POST', `${tenant}/resume`)).json.code).toBe('tenant_reset_failed');
    expect((await root.send('POST', `${tenant}/provisioning/retry`)).status).toBe(200);
    await resetDone(id);
    expect((await root.get(tenant)).json).toMatchObject({ status: 'suspended', suspended_reason: 'Abuse' });
    expect((await acme.get(at(slug))).json.status).toBe('suspended');
    expect((await root.send('POST', `${tenant}/resume`)).json.status).toBe('active');
    expect(await rows('chat_messages', slug)).toHaveLength((await rows('chat_messages', 'acme')).length);
  }, 60_000);

  it('does not bring back a sandbox that was removed meanwhile', async () => {
    const { slug, id } = await made(acme);
    expect((await acme.send('POST', at(slug, '/reset'))).status).toBe(202);
    expect((await acme.send('DELETE', at(slug))).status).toBe(204);
    await resetDone(id);
    expect((await root.get(`/api/admin/tenants/${slug}`)).json.status).toBe('archived');
  }, 60_000);
});

describe('mail of a sandbox', () => {
  it('goes to nobody but who asked for it', async () => {
    const { slug } = await made(acme, { with_data: true });
    await outboxEmpty(t);
    const sent = smtp.mails.length;
    const inside = await enter(acme, slug);
    expect(
      (await inside.send('POST', '/api/invitations', { email: 'real@person.example', role: 'member' })).status,
    ).toBe(201);
    await t.database.admin(
      `UPDATE everywhere.users SET email = 'viewer@acme.example', email_key = 'viewer@acme.example', status = 'active'
        WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1) AND role = 'viewer'`,
      [slug],
    );
    for (const email of ['viewer@acme.example', ASKER]) {
      const answer = await t.request('POST', '/api/auth/forgot-password', {
        headers: { 'x-tenant-id': slug },
        body: { email },
      });
      expect(answer.status).toBeLessThan(300);
    }
    await expect.poll(() => smtp.to(ASKER).length, { timeout: 15_000 }).toBeGreaterThan(0);
    await outboxEmpty(t);
    expect(smtp.mails.slice(sent).flatMap(({ envelope }) => envelope.to)).toEqual([ASKER]);
    expect(t.logs.filter((line) => line.includes('A mail of a sandbox was held back')).length).toBeGreaterThanOrEqual(
      2,
    );
  });
});

describe('a template', () => {
  it('is copied by owners of other tenants and by admins, as long as it is one', async () => {
    const unknown = await acme.send('POST', '/api/sandboxes', { template: 'initech' });
    expect([unknown.status, unknown.text.replace(/"request_id":"[^"]+"/, '')]).toEqual([
      404,
      (await acme.send('POST', '/api/sandboxes', { template: 'nobody' })).text.replace(/"request_id":"[^"]+"/, ''),
    ]);
    await talk('initech', 30, 2);
    await root.send('PATCH', '/api/admin/tenants/initech', {
      settings: { 'sandbox.template': true, welcome: 'Learn' },
    });
    const { slug } = await made(acme, { template: 'initech', with_data: true, kind: 'training' });
    expect((await acme.get(at(slug))).json).toMatchObject({ source: 'initech', kind: 'training' });
    expect(await rows('chat_messages', slug)).toHaveLength(30);
    expect((await rows('users', slug)).map(({ email }) => email)).not.toContain('owner@initech.example');
    // Nothing of acme can be read by initech's owner, whose tenant it is not.
    const initech = await signIn(t, 'initech', 'owner');
    expect((await initech.get(at(slug))).json.code).toBe('sandbox_not_found');

    const body = { kind: 'training', template: 'initech', with_data: true, owner: { email: 'tutor@school.example' } };
    expect((await createTenant(root, 'class', body)).status).toBe(201);
    const seen = await untilStatus(root, 'class', 'active');
    expect(seen.settings).toMatchObject({ welcome: 'Learn', 'mail.sandbox_recipients': ['tutor@school.example'] });
    expect(Date.parse(seen.expires_at)).toBeGreaterThan(Date.now() + 13 * 86_400_000);
    expect(seen.settings).not.toHaveProperty('sandbox.template');
    expect(await rows('chat_messages', 'class')).toHaveLength(30);
    await expect.poll(() => smtp.to('tutor@school.example').length, { timeout: 15_000 }).toBe(1);
    for (const wrong of [
      { ...body, kind: 'production' },
      { kind: 'sandbox', with_data: true },
    ]) {
      expect((await createTenant(root, 'wrong', wrong)).status).toBe(422);
    }

    await root.send('PATCH', '/api/admin/tenants/initech', { settings: { 'sandbox.template': null } });
    expect((await acme.send('POST', at(slug, '/reset'))).json.code).toBe('sandbox_source_inactive');
  });

  it('that is one no more: a repetition under the same Idempotency-Key is answered all the same', async () => {
    const template = (on: boolean | null) =>
      root.send('PATCH', '/api/admin/tenants/initech', { settings: { 'sandbox.template': on } });
    await template(true);
    const sandbox = (key: string) =>
      t.request('POST', '/api/sandboxes', {
        headers: { ...acme.headers, 'idempotency-key': key },
        body: { template: 'initech' },
      });
    const body = { slug: 'class-twice', name: 'Class', kind: 'sandbox', template: 'initech', owner: { email: ASKER } };
    const tenant = (key: string) =>
      t.request('POST', '/api/admin/tenants', { headers: { ...root.headers, 'idempotency-key': key }, body });
    for (const ask of [sandbox, tenant]) {
      await template(true);
      const key = newId();
      const first = await ask(key);
      expect([first.status, first.text]).toEqual([201, expect.any(String)]);
      await template(null);
      const again = await ask(key);
      expect([again.status, again.json]).toEqual([201, first.json]);
      expect((await ask(newId())).json.code).toBe('template_not_found');
      await untilStatus(root, first.json.slug, 'active', 'failed');
    }
  });
});

describe('the sandboxes of a tenant', () => {
  const RESET = 'It is brought back to its start.';
  const WITH_HOLDER = 'The tenant that it belongs to is suspended.';
  const tenant = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;
  const admin = async (slug: string, what: string, body = {}) => {
    const answer = await root.send('POST', tenant(slug, `/${what}`), body);
    expect([slug, what, answer.status, answer.text]).toEqual([slug, what, 200, expect.any(String)]);
  };
  const stateOf = async (slug: string) => {
    const { status, suspended_reason: reason } = (await root.get(tenant(slug))).json;
    return [status, reason];
  };
  /** Work on a sandbox waits until it is let go. */
  const hold = (slug: string, until: string) =>
    t.database.admin(
      `UPDATE platform.provisionings SET next_attempt_at = $2::timestamptz
        WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1)`,
      [slug, until],
    );
  const worked = (slug: string) =>
    expect.poll(async () => (await root.get(tenant(slug))).json.provisioning.state, { timeout: 30_000 }).toBe('done');

  /** Asked for, and not made before it is let go. */
  async function unmade(slug: string, more = {}): Promise<void> {
    await t.database.admin(`ALTER TABLE platform.provisionings ALTER next_attempt_at SET DEFAULT 'infinity'`);
    try {
      expect((await globex.send('POST', '/api/sandboxes', { slug, ...more })).status).toBe(201);
    } finally {
      await t.database.admin('ALTER TABLE platform.provisionings ALTER next_attempt_at SET DEFAULT now()');
    }
  }

  it('are suspended with it and come back with it, but those that were suspended for another reason', async () => {
    for (const slug of ['globex-one', 'globex-bad', 'globex-reset', 'globex-anew']) await made(globex, { slug });
    await admin('globex-bad', 'suspend', { reason: 'Abuse' });
    for (const slug of ['globex-reset', 'globex-anew']) {
      expect((await globex.send('POST', at(slug, '/reset'))).status).toBe(202);
      await hold(slug, 'infinity');
    }
    await unmade('globex-new');
    await admin('globex', 'suspend', { reason: 'Unpaid' });
    expect(await stateOf('globex-one')).toEqual(['suspended', WITH_HOLDER]);
    expect(await stateOf('globex-reset')).toEqual(['suspended', WITH_HOLDER]);
    expect(await stateOf('globex-bad')).toEqual(['suspended', 'Abuse']);
    const refused = await root.send('POST', tenant('globex-one', '/resume'));
    expect([refused.status, refused.json]).toMatchObject([
      409,
      { code: 'holder_out_of_service', holder_status: 'suspended' },
    ]);
    for (const slug of ['globex-reset', 'globex-new']) {
      await hold(slug, 'now');
      await worked(slug);
      expect(await stateOf(slug)).toEqual(['suspended', WITH_HOLDER]);
    }

    await admin('globex', 'resume');
    for (const slug of ['globex-one', 'globex-reset', 'globex-new'])
      expect(await stateOf(slug)).toEqual(['active', null]);
    expect(await stateOf('globex-bad')).toEqual(['suspended', 'Abuse']);
    // What was not done with its reset goes on with it.
    expect(await stateOf('globex-anew')).toEqual(['suspended', RESET]);
    await hold('globex-anew', 'now');
    await untilStatus(root, 'globex-anew', 'active');
    await mailTo(smtp, 'owner@globex.example', /back in service/);
    await outboxEmpty(t);
    const told = smtp.to('owner@globex.example').map(({ subject }) => subject ?? '');
    expect(told.filter((subject) => /was suspended|back in service/.test(subject)).sort()).toEqual([
      expect.stringMatching(/sandbox.* was suspended/),
      expect.stringMatching(/^Globex[^(]* is back in service/),
      expect.stringMatching(/^Globex[^(]* was suspended/),
    ]);
  }, 60_000);

  it('are archived with it, also those that are not made yet, and stay so when it is restored', async () => {
    await made(globex, { slug: 'globex-last' });
    await made(globex, { slug: 'globex-worst' });
    await admin('globex-worst', 'suspend', { reason: 'Abuse' });
    await root.send('PATCH', tenant('initech'), { settings: { 'sandbox.template': true } });
    await unmade('globex-late', { template: 'initech' });
    await unmade('globex-broken');
    await admin('globex', 'archive');
    try {
      for (const slug of ['globex-last', 'globex-worst']) expect(await stateOf(slug)).toEqual(['archived', null]);
      await hold('globex-late', 'now');
      await worked('globex-late');
      expect(await stateOf('globex-late')).toEqual(['archived', null]);
      // Its source is gone.
      await hold('globex-broken', 'now');
      await untilStatus(root, 'globex-broken', 'failed');
      await t.app.get(TenantRetirement).runDue();
      await expect.poll(async () => (await root.get(tenant('globex-broken'))).status, { timeout: 20_000 }).toBe(404);
    } finally {
      await admin('globex', 'restore');
    }
    expect(await stateOf('globex-last')).toEqual(['archived', null]);
    await admin('globex-last', 'restore');
    expect((await root.send('POST', tenant('globex-last', '/resume'))).json.code).toBe('holder_out_of_service');
    await admin('globex', 'resume');
    await admin('globex-last', 'resume');
  }, 60_000);

  it('end with its trial at the latest', async () => {
    const trial = async (expires_at: string) =>
      expect((await root.send('PATCH', tenant('globex'), { kind: 'trial', expires_at })).status).toBe(200);
    const end = new Date(Date.now() + 5 * 86_400_000).toISOString();
    await trial(end);
    const [capped, short] = [await made(globex, { lifetime_days: 30 }), await made(globex, { lifetime_days: 2 })];
    expect(capped.expires_at).toBe(end);
    expect(Date.parse(short.expires_at)).toBeLessThan(Date.parse(end) - 2 * 86_400_000);
    await trial(new Date(Date.now() - 1000).toISOString());
    const over = await globex.send('POST', '/api/sandboxes', {});
    expect([over.status, over.json.code]).toEqual([409, 'sandbox_trial_over']);
    await t.app.get(TenantRetirement).runDue();
    expect(await stateOf('globex')).toEqual(['suspended', 'The trial ended.']);
    expect(await stateOf(short.slug)).toEqual(['suspended', WITH_HOLDER]);
    await root.send('PATCH', tenant('globex'), { kind: 'production' });
    await admin('globex', 'resume');
    expect(await stateOf(short.slug)).toEqual(['active', null]);
  }, 60_000);
});

describe('a tenant that is purged', () => {
  it('has its sandboxes expire', async () => {
    const { slug } = await made(globex, { lifetime_days: 90 });
    await t.app.get(TenantErasure).erase((await t.tenant('globex')).id);
    expect(Date.parse((await root.get(`/api/admin/tenants/${slug}`)).json.expires_at)).toBeLessThanOrEqual(Date.now());
  });
});

describe('what a copy is made of', () => {
  it('is decided of every entity of tenants: copied, or left out for a reason', () => {
    const copies = t.app.get(TenantCopies);
    const decided = [...copies.ordered().map(({ entity }) => entity), ...copies.leftOut().keys()];
    expect(decided.map(({ name }) => name).sort()).toEqual(TENANT_ENTITIES.map(({ name }) => name).sort());
    for (const reason of copies.leftOut().values()) expect(reason).toMatch(/\w+ \w+/);
  });

  it('holds no setting that sounds like a secret', () => {
    const sounds = /secret|password|token|credential|api_?key/;
    const secret = declaredSettings().filter(({ key, type }) => type !== 'integer' && sounds.test(key));
    expect(secret.filter(({ copied }) => copied !== false).map(({ key }) => key)).toEqual([]);
  });
});

describe('a copy under way', () => {
  const running: TestProcess[] = [];
  let own: TestApp | undefined;
  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGTERM');
      await exited;
    }
    await own?.close();
  });

  it('goes on where it was when the process is killed and the source suspended, and ends when the source is archived', async () => {
    own = await createTestApp(ROOT_ENV);
    const { database } = own;
    const admin = await signInAdmin(own);
    await liftAddressLimits(own);
    const owner = await signIn(own, 'acme', 'owner');
    // This process only takes the requests; the work is that of the processes below.
    await own.app.get(Provisioner, { strict: false }).beforeApplicationShutdown();
    const { id } = await own.tenant('acme');
    const session = newId();
    await database.admin(`INSERT INTO everywhere.chat_sessions (tenant_id, id, token_hash) VALUES ($1, $2, '\\x00')`, [
      id,
      session,
    ]);
    await database.admin(
      `INSERT INTO everywhere.chat_messages (tenant_id, id, session_id, role, content)
       SELECT $1, m.id, $3, 'user', m.n::text FROM unnest($2::uuid[]) WITH ORDINALITY AS m (id, n)`,
      [id, Array.from({ length: 1500 }, () => newId()), session],
    );
    // A copy that has come to message 700 stops there for good.
    await database.admin('CREATE TABLE public.pauses (slug text PRIMARY KEY)');
    await database.admin(`CREATE FUNCTION everywhere.pause() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF NEW.content = '700' AND EXISTS (SELECT 1 FROM public.pauses p JOIN platform.tenants t ON t.slug = p.slug
         WHERE t.id = NEW.tenant_id) THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$`);
    await database.admin(
      'CREATE TRIGGER pause BEFORE INSERT ON everywhere.chat_messages FOR EACH ROW EXECUTE FUNCTION everywhere.pause()',
    );
    const start = async () => {
      const started = await startProcess({
        DATABASE_URL: database.adminUrl,
        MASTER_KEY: database.env.masterKey,
        DATA_DIR: database.env.dataDir,
      });
      running.push(started);
      return started;
    };
    const slugs = ['acme-one', 'acme-two'];
    for (const slug of slugs) {
      await database.admin('INSERT INTO public.pauses VALUES ($1)', [slug]);
      expect((await owner.send('POST', '/api/sandboxes', { slug, with_data: true })).status).toBe(201);
    }
    const asleep = () =>
      database.admin<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
      );
    const kill = async (victim: TestProcess, slug: string) => {
      await expect.poll(async () => (await asleep()).length, { timeout: 60_000 }).toBeGreaterThan(0);
      victim.child.kill('SIGKILL');
      await victim.exited;
      running.splice(running.indexOf(victim), 1);
      await database.admin('DELETE FROM public.pauses WHERE slug = $1', [slug]);
      for (const { pid } of await asleep()) await database.admin('SELECT pg_terminate_backend($1)', [pid]);
      await database.admin('UPDATE platform.provisionings SET next_attempt_at = now()');
    };
    await database.admin(
      `UPDATE platform.provisionings SET next_attempt_at = 'infinity'
        WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = 'acme-two')`,
    );
    await kill(await start(), 'acme-one');
    const count = async (slug: string) =>
      (
        await database.admin<{ n: number }>(
          `SELECT count(*)::int AS n FROM everywhere.chat_messages m JOIN platform.tenants t ON t.id = m.tenant_id WHERE t.slug = $1`,
          [slug],
        )
      )[0]?.n;
    expect(await count('acme-one')).toBe(600);
    await admin.send('POST', '/api/admin/tenants/acme/suspend', { reason: 'Half-way' });
    const second = await start();
    const one = await untilStatus(admin, 'acme-one', 'suspended');
    expect(one.suspended_reason).toBe('The tenant that it belongs to is suspended.');
    expect(await count('acme-one')).toBe(1500);

    // The other one has come to its pause, too; then its source goes away.
    await kill(second, 'acme-two');
    await admin.send('POST', '/api/admin/tenants/acme/archive');
    await start();
    const failed = await untilStatus(admin, 'acme-two', 'failed');
    expect(failed.provisioning.error).toBe('default-data: the source of the copy is no longer in service');
    expect((await admin.send('POST', '/api/admin/tenants/acme-two/provisioning/roll-back')).status).toBe(202);
    await expect
      .poll(async () => (await admin.get('/api/admin/tenants/acme-two')).status, { timeout: 20_000 })
      .toBe(404);
    expect(await count('acme-two')).toBe(0);
  }, 120_000);
});
