import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { PasswordHasher } from '../../src/auth/index.js';
import { SignupPurge } from '../../src/signup/index.js';
import { Provisioner } from '../../src/tenant/provisioning/provisioner.js';
import { TenantContext } from '../../src/tenancy/index.js';
import { ProvisioningStore } from '../../src/tenant/provisioning/provisioning.store.js';
import { type TenantOwner, TenantRetirement } from '../../src/tenant/index.js';
import { mailTo, outboxEmpty, tokenIn } from '../kit/people.js';
import { ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { signInAs } from '../kit/sign-in.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { type Answer, createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const PASSWORD = 'seven blue ladders';
const CONFIRM = /Confirm your sign-up/;

let smtp: TestSmtp;
let t: TestApp;
let admin: SignedInAdmin;
let addresses = 0;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url, TRUSTED_PROXIES: 'loopback', SIGNUP_PLAN: 'free,pro' });
  admin = await signInAdmin(t);
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

/** From another address each time, so that only the tests of limits meet them. */
const from = (address = `10.1.${(addresses += 1) >> 8}.${addresses & 255}`) => ({ 'x-forwarded-for': address });
const body = (slug: string, more: Record<string, unknown> = {}) => ({
  company: `${slug} Ltd`,
  slug,
  email: `owner@${slug}.example`,
  password: PASSWORD,
  ...more,
});
const signUp = (slug: string, more: Record<string, unknown> = {}, headers = from(), app = t) =>
  app.request('POST', '/api/signup', { headers, body: body(slug, more) });
const confirm = (token: string, app = t) =>
  app.request('POST', '/api/signup/confirm', { headers: from(), body: { token } });
const state = (id: string, token: string) =>
  t.request('GET', `/api/signup/${id}`, { headers: { 'x-signup-token': token } });
const link = async (slug: string, nth = 1) => tokenIn(await mailTo(smtp, `owner@${slug}.example`, CONFIRM, nth));
const later = (interval: string, slug: string) =>
  t.database.admin(
    `WITH moved AS (UPDATE platform.signups SET expires_at = expires_at - $1::interval WHERE slug = $2)
     UPDATE platform.slug_holds SET expires_at = expires_at - $1::interval WHERE slug = $2`,
    [interval, slug],
  );
const problem = ({ status, json }: Answer) => [status, json.code];

describe('a customer', () => {
  it('signs up, follows the link of the mail and is signed in as the owner of a tenant of their own', async () => {
    const taken = await signUp('umbrella', { name: 'Ada Owner' });
    expect([taken.status, taken.headers['cache-control']]).toEqual([202, 'no-store']);
    const early = await t.request('POST', '/api/auth/login', {
      headers: { 'x-tenant-id': 'umbrella' },
      body: { email: 'owner@umbrella.example', password: PASSWORD },
    });
    expect(early.status).toBe(404);
    const mail = await mailTo(smtp, 'owner@umbrella.example', CONFIRM);
    expect(mail.text).not.toContain('Ltd');
    const token = tokenIn(mail);
    const id = (await t.database.admin<{ id: string }>(`SELECT id FROM platform.signups WHERE slug = 'umbrella'`))[0]!
      .id;
    expect((await state(id, token)).json).toMatchObject({ id, tenant: 'umbrella', status: 'unconfirmed' });

    const done = await confirm(token);
    expect([done.status, done.headers['location']]).toEqual([201, `/api/signup/${id}`]);
    expect(done.json).toMatchObject({ tenant: 'umbrella', status: 'ready', token_type: 'Bearer' });
    const headers = { 'x-tenant-id': 'umbrella', authorization: `Bearer ${done.json.access_token}` };
    expect((await t.request('GET', '/api/auth/me', { headers })).json).toMatchObject({
      name: 'Ada Owner',
      role: 'owner',
    });
    expect((await state(id, token)).json.status).toBe('ready');
    await signInAs(t, 'umbrella', 'owner@umbrella.example', PASSWORD);
    await mailTo(smtp, 'owner@umbrella.example', /is ready/);

    const tenant = (await admin.get('/api/admin/tenants/umbrella')).json;
    expect(tenant).toMatchObject({ name: 'umbrella Ltd', plan: 'free', kind: 'trial', status: 'active' });
    expect((Date.parse(tenant.expires_at) - Date.now()) / 86_400_000).toBeCloseTo(14, 1);
    const [kept] = await t.database.admin<{ all: string }>(
      `SELECT string_agg(s::text, '') AS all FROM platform.signups s`,
    );
    expect(kept!.all).not.toMatch(/argon2|umbrella\.example/);
  });

  it('may choose among the plans that are offered, and no other', async () => {
    expect((await signUp('chooser', { plan: 'pro' })).status).toBe(202);
    await confirm(await link('chooser'));
    expect((await untilStatus(admin, 'chooser', 'active')).plan).toBe('pro');
    const refused = await signUp('greedy', { plan: 'unlimited' });
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([422, '/plan']);
  });

  it.each([
    ['a short password', { password: 'short' }, '/password'],
    ['the company as the password', { password: 'acorns-2026', company: 'Acorns' }, '/password'],
    ['a reserved slug', { slug: 'admin' }, '/slug'],
    ['a slug that is no DNS label', { slug: 'Not A Label' }, '/slug'],
    ['two addresses', { email: 'a@x.example,b@x.example' }, '/email'],
    ['two lines of a name', { company: 'A\nB' }, '/company'],
    ['a number as the slug', { slug: 7 }, '/slug'],
  ])('is told of %s', async (_what, more, pointer) => {
    const { status, json } = await signUp('refused', more);
    expect([status, json.errors[0].pointer]).toEqual([422, pointer]);
  });

  it('is not served on the address of a tenant', async () => {
    const headers = { ...from(), 'x-tenant-id': 'acme' };
    expect((await t.request('POST', '/api/signup', { headers, body: body('inside') })).status).toBe(404);
    expect((await t.request('POST', '/acme/api/signup', { headers: from(), body: body('inside') })).status).toBe(404);
  });
});

describe('whoever asks', () => {
  it('does not learn whether an address is known: not from the answer, and the mail is for its owner alone', async () => {
    await outboxEmpty(t);
    const answers = [
      await signUp('known-one', { email: 'owner@acme.example' }),
      await signUp('unknown-one', { email: 'nobody@nowhere.example' }),
    ];
    const bytes = ({ status, text, headers }: Answer) => {
      const { date: _date, 'x-request-id': _id, ...rest } = headers;
      return JSON.stringify([status, text, rest]);
    };
    expect(bytes(answers[0]!)).toBe(bytes(answers[1]!));
    const known = await mailTo(smtp, 'owner@acme.example', CONFIRM);
    expect(known.subject).toContain('or sign in');
    expect(known.text).toContain('Acme');
    expect((await mailTo(smtp, 'nobody@nowhere.example', CONFIRM)).text).not.toContain('Acme');
    // Theirs to have as well, if they want it.
    expect((await confirm(tokenIn(known))).status).toBe(201);
  });

  it('does not learn it from asking for the mail again either', async () => {
    await signUp('again');
    const first = await link('again');
    const ask = (email: string) => t.request('POST', '/api/signup/resend', { headers: from(), body: { email } });
    const answers = [await ask(' Owner@again.example'), await ask('nobody@again.example')];
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    const second = await link('again', 2);
    expect(problem(await confirm(first))).toEqual([410, 'signup_expired']);
    expect((await confirm(second)).status).toBe(201);
    expect(smtp.to('nobody@again.example')).toEqual([]);
  });

  it('cannot put a sign-up of their own in place of the one whose mail is asked for again', async () => {
    const email = 'owner@meant.example';
    await signUp('meant');
    const before = await link('meant');
    await signUp('planted', { email, password: 'nine green bottles' });
    await mailTo(smtp, email, /for planted/);
    const ask = (more = {}, headers = from()) =>
      t.request('POST', '/api/signup/resend', { headers, body: { email, ...more } });
    const named = await ask({ slug: 'meant' });
    const mail = await mailTo(smtp, email, /for meant/, 2);
    expect(mail.text).not.toContain('planted');
    expect(problem(await confirm(before))).toEqual([410, 'signup_expired']);
    // Nothing tells who has signed up, and for what.
    for (const more of [{}, { slug: 'nobodys' }, { email: 'stranger@meant.example', slug: 'meant' }]) {
      const answer = await ask(more);
      expect([answer.status, answer.text]).toEqual([202, named.text]);
    }
    expect((await ask({ slug: 7 })).status).toBe(422);
    expect((await confirm(tokenIn(mail))).json).toMatchObject({ tenant: 'meant', status: 'ready' });
    expect(smtp.to('stranger@meant.example')).toEqual([]);
  });

  it('has all sign-ups of an address mailed when none is named, each with a link of its own', async () => {
    const email = 'owner@several.example';
    await signUp('several', { company: 'Buy now at evil.example' });
    await signUp('several-more', { email });
    await mailTo(smtp, email, CONFIRM, 2);
    await t.request('POST', '/api/signup/resend', { headers: from(), body: { email } });
    const mail = await mailTo(smtp, email, /Confirm your sign-ups/);
    expect(`${mail.text}${mail.subject}`).not.toContain('evil');
    const tokens: Record<string, string> = Object.fromEntries(
      [...(mail.text ?? '').matchAll(/^- ([\w-]+): \S+#token=([\w-]+)$/gm)].map(([, slug, token]) => [
        slug ?? '',
        token ?? '',
      ]),
    );
    expect(Object.keys(tokens).sort()).toEqual(['several', 'several-more']);
    for (const [slug, token] of Object.entries(tokens)) expect((await confirm(token)).json.tenant).toBe(slug);
    // It counted as one mail, and was the third.
    await signUp('several-late', { email });
    await signUp('several-witness');
    await link('several-witness');
    expect(smtp.to(email).filter(({ subject }) => CONFIRM.test(subject ?? ''))).toHaveLength(3);
  });

  it('cannot tell a known address by the time of the answer: the same work is done for each', async () => {
    const context = t.app.get(TenantContext);
    const statements = new Map<string | undefined, string[]>();
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the client it is called on
    const original = pg.Client.prototype.query as (this: unknown, ...args: unknown[]) => unknown;
    const sent = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: unknown,
      ...args: unknown[]
    ) {
      const [first] = args as [string | { text?: string }];
      const id = context.requestId();
      statements.set(id, [...(statements.get(id) ?? []), typeof first === 'string' ? first : (first.text ?? '')]);
      return original.apply(this, args) as never;
    });
    const hashed = vi.spyOn(t.app.get(PasswordHasher, { strict: false }), 'hash');
    try {
      const work = [];
      for (const [slug, email] of [
        ['work-known', 'owner@globex.example'],
        ['work-unknown', 'nobody@work.example'],
        ['work-waiting', 'nobody@work.example'],
      ] as const) {
        hashed.mockClear();
        const answer = await signUp(slug, { email });
        expect(answer.status).toBe(202);
        await mailTo(smtp, email, new RegExp(`for ${slug}`));
        const asked = statements.get(answer.headers['x-request-id'] as string) ?? [];
        expect(asked.some((sql) => sql.startsWith('INSERT INTO signups'))).toBe(true);
        work.push({ asked, hashed: hashed.mock.calls });
      }
      expect(work[0]).toEqual(work[1]);
      expect(work[0]).toEqual(work[2]);
      expect(work[0]?.hashed).toEqual([[PASSWORD]]);
    } finally {
      sent.mockRestore();
      hashed.mockRestore();
    }
  });

  it('is answered before a mail that is asked for again is looked for', async () => {
    const blocker = new pg.Client({ connectionString: t.database.adminUrl });
    await blocker.connect();
    await signUp('unhurried');
    await link('unhurried');
    try {
      await blocker.query(`SELECT pg_advisory_lock(hashtextextended('tenantry:signup', 0))`);
      for (const email of ['owner@unhurried.example', 'nobody@unhurried.example']) {
        const answer = await t.request('POST', '/api/signup/resend', { headers: from(), body: { email } });
        expect(answer.status).toBe(202);
      }
      expect(smtp.to('owner@unhurried.example')).toHaveLength(1);
    } finally {
      await blocker.end();
    }
    await link('unhurried', 2);
  });

  it('has one person written to three times and no more, and sees nothing of that', async () => {
    const email = 'often@mail.example';
    const answers = [];
    for (const n of [1, 2, 3, 4, 5]) answers.push((await signUp(`often-${n}`, { email })).text);
    expect(new Set(answers).size).toBe(1);
    await mailTo(smtp, email, CONFIRM, 3);
    await signUp('often-witness');
    await link('often-witness');
    expect(smtp.to(email)).toHaveLength(3);
    expect((await signUp('often-5')).status).toBe(409);
  });

  it('can neither hold more than five slugs from one address nor ask without end', async () => {
    const squatter = from('192.0.2.1');
    for (const n of [1, 2, 3, 4, 5]) expect((await signUp(`squat-${n}`, {}, squatter)).status).toBe(202);
    const sixth = await signUp('squat-6', {}, squatter);
    expect(problem(sixth)).toEqual([429, 'too_many_signups']);
    expect(sixth.headers['retry-after']).toBe('3600');
    expect((await signUp('squat-6')).status).toBe(202);
    await confirm(await link('squat-1'));
    expect((await signUp('squat-7', {}, squatter)).status).toBe(202);
    const answers = [];
    for (let n = 0; n < 30; n += 1) answers.push((await signUp('squat-8', { password: 'x' }, squatter)).json.code);
    expect(answers.at(-1)).toBe('address_rate_limited');
  });

  it('cannot hold more than a bounded number, from however many addresses', async () => {
    await t.database.admin(`INSERT INTO platform.slug_holds
      SELECT 'flood-' || n, gen_random_uuid(), now() + interval '1 hour' FROM generate_series(1, 10000) n`);
    try {
      expect(problem(await signUp('one-too-many'))).toEqual([503, 'signup_busy']);
    } finally {
      await t.database.admin(`DELETE FROM platform.slug_holds WHERE slug LIKE 'flood-%'`);
    }
  });

  it('can hold five from one address also at once', async () => {
    const squatter = from('192.0.2.2');
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => signUp(`burst-${n}`, { email: `p${n}@burst.example` }, squatter)),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });
});

describe('a slug', () => {
  it('is held for an hour against customers and admins, with suggestions that can be had', async () => {
    await signUp('wanted');
    const second = await signUp('wanted', { company: 'Wanted Söhne & Co.', email: 'second@mail.example' });
    expect(problem(second)).toEqual([409, 'slug_taken']);
    const { suggestions } = second.json as { suggestions: string[] };
    expect(suggestions).toHaveLength(3);
    expect(suggestions[0]).toBe('wanted-sohne-co');
    expect(problem(await createTenant(admin, 'wanted'))).toEqual([409, 'slug_taken']);
    const renamed = await admin.send('PATCH', '/api/admin/tenants/globex', { slug: 'wanted' });
    expect(problem(renamed)).toEqual([409, 'slug_taken']);
    for (const slug of suggestions) expect((await signUp(slug)).status).toBe(202);
    expect((await signUp('wanted', { company: 'Wanted Söhne & Co.' })).json.suggestions).not.toContain(suggestions[0]);
    expect((await confirm(await link('wanted'))).status).toBe(201);
    expect(problem(await signUp('wanted'))).toEqual([409, 'slug_taken']);
  });

  it('of 63 characters has suggestions as well', async () => {
    const long = `a${'b'.repeat(61)}c`;
    expect((await signUp(long, { email: 'long@mail.example' })).status).toBe(202);
    const { suggestions } = (await signUp(long, { email: 'other@mail.example' })).json as { suggestions: string[] };
    expect(suggestions).toHaveLength(3);
    for (const slug of suggestions) expect(slug).toMatch(/^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/);
  });

  it('goes to one of twenty who want it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => signUp('popular', { email: `p${n}@popular.example` })),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
  });

  it('is free again when the hour is over, and the link says that it has expired', async () => {
    await signUp('late');
    const token = await link('late');
    await later('2 hours', 'late');
    expect(problem(await confirm(token))).toEqual([410, 'signup_expired']);
    const again = await signUp('late', { email: 'quick@late.example' });
    expect(again.status).toBe(202);
    await t.app.get(SignupPurge, { strict: false }).purge();
    // Gone from the table by now.
    expect(problem(await confirm(token))).toEqual([410, 'signup_expired']);
    expect((await confirm(tokenIn(await mailTo(smtp, 'quick@late.example', CONFIRM)))).status).toBe(201);
  });

  it('is not given away by a file, and when it was all the same the link is a conflict, not half a tenant', async () => {
    await signUp('imported');
    const token = await link('imported');
    await expect(t.import([{ slug: 'imported' }])).rejects.toThrow('id "imported" is held for somebody');
    await t.database.admin(`DELETE FROM platform.slug_holds WHERE slug = 'imported'`);
    await t.import([{ slug: 'imported' }]);
    const lost = await confirm(token);
    expect(problem(lost)).toEqual([409, 'slug_taken']);
    expect(lost.json.suggestions.length).toBeGreaterThan(0);
  });
});

describe('a link', () => {
  it('makes one tenant and signs in once, however often it is followed at once', async () => {
    await signUp('eager');
    const token = await link('eager');
    const answers = await Promise.all(Array.from({ length: 8 }, () => confirm(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
    expect(problem(await confirm(token))).toEqual([409, 'signup_used']);
    const [made] = await t.database.admin<{ tenants: number; owners: number }>(
      `SELECT count(DISTINCT t.id)::int AS tenants, count(u.id)::int AS owners
         FROM platform.tenants t JOIN shared.users u ON u.tenant_id = t.id WHERE t.slug = 'eager'`,
    );
    expect(made).toEqual({ tenants: 1, owners: 1 });
    const events = await t.database.admin(`SELECT 1 FROM platform.audit_events WHERE event = 'signup.confirmed'
      AND details->>'slug' = 'eager'`);
    expect(events).toHaveLength(1);
  });

  it('does not stand in for password and second factor once its owner has signed in', async () => {
    await signUp('careful');
    const token = await link('careful');
    await confirm(token);
    await t.database.admin(`UPDATE platform.signups SET signed_in_at = NULL WHERE slug = 'careful'`);
    expect(problem(await confirm(token))).toEqual([409, 'signup_used']);
  });

  it.each(['', 'nonsense', 'A'.repeat(120), 'x'.repeat(500)])('that is %j opens nothing', async (token) => {
    expect([404, 422]).toContain((await confirm(token)).status);
  });

  it('shows nobody else how far a sign-up is', async () => {
    await signUp('private-one');
    await signUp('private-two');
    const [one, two] = [await link('private-one'), await link('private-two')];
    const ids = await t.database.admin<{ id: string }>(
      `SELECT id FROM platform.signups WHERE slug LIKE 'private-%' ORDER BY slug`,
    );
    expect((await state(ids[0]!.id, one)).status).toBe(200);
    for (const token of [two, '', 'nonsense']) {
      expect(problem(await state(ids[0]!.id, token))).toEqual([404, 'link_invalid']);
    }
    expect((await t.request('GET', `/api/signup/${ids[0]!.id}`)).status).toBe(404);
  });

  it('is answered at once while the tenant is not ready, and goes on after the process is gone', async () => {
    // This process takes requests and makes nothing.
    await t.app.get(Provisioner, { strict: false }).beforeApplicationShutdown();
    await signUp('patient');
    const token = await link('patient');
    const waiting = await confirm(token);
    expect([waiting.status, waiting.json.status, waiting.headers['retry-after']]).toEqual([202, 'provisioning', '1']);
    const location = waiting.headers['location']!;
    expect((await confirm(token)).json.access_token).toBeUndefined();
    const other = await secondInstance(t.database);
    try {
      const poll = async () => (await other.request('GET', location, { headers: { 'x-signup-token': token } })).json;
      await expect.poll(async () => (await poll()).status, { timeout: 20_000 }).toBe('ready');
      const done = await confirm(token, other);
      expect([done.status, done.json.token_type]).toEqual([201, 'Bearer']);
    } finally {
      await other.close();
    }
  });
});

describe('the password of a sign-up', () => {
  let own: TestApp | undefined;
  afterEach(async () => {
    await own?.close();
    own = undefined;
  });

  it('is kept with what is to be made until its owner is there, and not past the end of one that fails', async () => {
    own = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url });
    const { app, database } = own;
    await database.admin(`CREATE FUNCTION shared.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF (SELECT slug FROM platform.tenants WHERE id = NEW.tenant_id) = 'no-' || NEW.step THEN RAISE EXCEPTION 'no'; END IF;
      RETURN NEW; END $$`);
    await database.admin(
      'CREATE TRIGGER refuse BEFORE INSERT ON shared.provisioning_marks FOR EACH ROW EXECUTE FUNCTION shared.refuse()',
    );
    const root = await signInAdmin(own);
    const hurry = setInterval(
      () => void database.admin('UPDATE platform.provisionings SET next_attempt_at = now() WHERE attempts > 0'),
      100,
    );
    const failed = async (slug: string): Promise<{ id: string; owner: TenantOwner | undefined }> => {
      expect((await signUp(slug, {}, from(), own)).status).toBe(202);
      await confirm(await link(slug), own);
      const { id } = await untilStatus(root, slug, 'failed');
      return { id, owner: (await app.get(ProvisioningStore, { strict: false }).requestOf(id)).owner };
    };
    try {
      const withoutMail = await failed('no-welcome-mail');
      expect(withoutMail.owner).toEqual({ email: 'owner@no-welcome-mail.example' });
      const withoutOwner = await failed('no-owner');
      expect(withoutOwner.owner?.passwordHash).toMatch(/^\$argon2id/);
      await database.admin(`UPDATE platform.tenants SET status_changed_at = now() - interval '8 days'`);
      await app.get(TenantRetirement).runDue();
      for (const slug of ['no-welcome-mail', 'no-owner']) {
        await expect.poll(async () => (await root.get(`/api/admin/tenants/${slug}`)).status).toBe(404);
      }
      expect(await database.admin('SELECT 1 FROM platform.signups')).toEqual([]);
      expect(await database.admin('SELECT 1 FROM platform.provisionings')).toEqual([]);
      expect((await signUp('no-owner', {}, from(), own)).status).toBe(202);
    } finally {
      clearInterval(hurry);
    }
  }, 60_000);
});

describe('where not everybody may sign up', () => {
  let own: TestApp | undefined;
  afterEach(async () => {
    await own?.close();
    own = undefined;
  });

  it('is closed outside the demo unless it is opened', async () => {
    own = await createTestApp({ ...ROOT_ENV, DEMO: 'off', SMTP_URL: smtp.url });
    expect(problem(await signUp('closed', {}, from(), own))).toEqual([403, 'signup_closed']);
  });

  it('takes an invite that works once, with its plan, and can be taken back', async () => {
    own = await createTestApp({ ...ROOT_ENV, SIGNUP: 'invite', SIGNUP_TRIAL: 'off', SMTP_URL: smtp.url });
    const app = own;
    const root = await signInAdmin(app);
    const invites = '/api/admin/signup-invites';
    expect(problem(await signUp('inv-0', {}, from(), app))).toEqual([403, 'signup_invite_required']);
    expect(problem(await signUp('inv-0', { invite: 'made-up' }, from(), app))).toEqual([403, 'signup_invite_required']);
    const made = await root.send('POST', invites, { plan: 'premium', note: 'For Inv' });
    expect(made.status).toBe(201);
    const { code: invite, id } = made.json;
    expect((await signUp('inv-1', { invite, plan: 'free' }, from(), app)).status).toBe(422);
    const both = await Promise.all([1, 2].map((n) => signUp(`inv-${n}`, { invite }, from(), app)));
    expect(both.map(({ status }) => status).sort()).toEqual([202, 403]);
    const slug = both[0]!.status === 202 ? 'inv-1' : 'inv-2';
    expect((await confirm(await link(slug), app)).status).toBe(201);
    expect((await root.get(`/api/admin/tenants/${slug}`)).json).toMatchObject({
      plan: 'premium',
      kind: 'production',
      expires_at: null,
    });
    expect(problem(await signUp('inv-3', { invite }, from(), app))).toEqual([403, 'signup_invite_required']);
    const listed = (await root.get(invites)).json;
    expect(listed.items[0]).toMatchObject({ id, plan: 'premium', note: 'For Inv', used_at: expect.any(String) });
    expect(JSON.stringify(listed)).not.toContain(invite);
    expect((await root.send('DELETE', `${invites}/${id}`)).status).toBe(404);

    const second = (await root.send('POST', invites, {})).json;
    expect((await root.send('DELETE', `${invites}/${second.id}`)).status).toBe(204);
    expect((await signUp('inv-4', { invite: second.code }, from(), app)).status).toBe(403);
    const third = (await root.send('POST', invites, {})).json;
    await signUp('inv-5', { invite: third.code }, from(), app);
    await app.database.admin(`UPDATE platform.signups SET expires_at = now() WHERE slug = 'inv-5'`);
    await app.database.admin(`UPDATE platform.slug_holds SET expires_at = now() WHERE slug = 'inv-5'`);
    // What came to nothing uses no invite up.
    expect((await signUp('inv-6', { invite: third.code }, from(), app)).status).toBe(202);
    const events = await app.database.admin<{ event: string }>(
      `SELECT event FROM platform.audit_events WHERE event LIKE 'signup-invite.%' ORDER BY id`,
    );
    expect(events.map(({ event }) => event)).toEqual([
      'signup-invite.created',
      'signup-invite.created',
      'signup-invite.revoked',
      'signup-invite.created',
    ]);
  });
});
