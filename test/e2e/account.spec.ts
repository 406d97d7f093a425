import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuthPurge } from '../../src/auth/index.js';
import { AccessTokens } from '../../src/auth/tokens/access-tokens.js';
import { PasswordHasher } from '../../src/auth/passwords/password.hasher.js';
import { newId } from '../../src/common/index.js';
import { Outbox } from '../../src/outbox/index.js';
import { liftAddressLimits, mailTo, newPerson, outboxEmpty, tokenIn } from '../kit/people.js';
import { bearer, signIn, signInAs } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const OLD = 'demo-password';
const SOON = { timeout: 5000 };
const NEW = 'a quiet heron at noon';

let t: TestApp;
let smtp: TestSmtp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  await liftAddressLimits(t);
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

const post = (tenant: string, path: string, body?: unknown) =>
  t.request('POST', path, { headers: { 'x-tenant-id': tenant }, body });
const login = (email: string, password: string, tenant = 'acme') =>
  post(tenant, '/api/auth/login', { email, password });
const reset = (token: string, tenant = 'acme', password = NEW) =>
  post(tenant, '/api/auth/reset-password', { token, new_password: password });
const audited = async (event: string, userId: string) =>
  (await t.database.admin('SELECT 1 FROM everywhere.audit_events WHERE event = $1 AND target_id = $2', [event, userId]))
    .length;
const meOf = async (who: { get: (path: string) => Promise<{ status: number }> }) =>
  (await who.get('/api/auth/me')).status;

async function resetToken(email: string, nth = 1, tenant = 'acme'): Promise<string> {
  expect((await post(tenant, '/api/auth/forgot-password', { email })).status).toBe(202);
  return tokenIn(await mailTo(smtp, email, /Set a new password/, nth));
}

describe('changing the password', () => {
  it('keeps this device, signs out the others, and tells the person', async () => {
    const quinn = await newPerson(t, 'acme');
    const [here, there] = [await signInAs(t, 'acme', quinn.email, OLD), await signInAs(t, 'acme', quinn.email, OLD)];
    const changed = await here.send('POST', '/api/auth/change-password', { current_password: OLD, new_password: NEW });
    expect(changed.status).toBe(204);
    await expect.poll(() => meOf(there), SOON).toBe(401);
    expect(await meOf(here)).toBe(200);
    expect((await login(quinn.email, OLD)).status).toBe(401);
    expect((await login(quinn.email, NEW)).status).toBe(200);
    expect((await mailTo(smtp, quinn.email, /was changed/)).text).toContain('127.0.0.1');
    expect(await audited('user.password-changed', quinn.id)).toBe(1);
  });

  it('needs the current one, and a new one that is not among those tried first', async () => {
    const quinn = await newPerson(t, 'acme');
    const here = await signInAs(t, 'acme', quinn.email, OLD);
    const change = (body: unknown) => here.send('POST', '/api/auth/change-password', body);
    const wrong = await change({ current_password: 'not-my-password', new_password: NEW });
    expect([wrong.status, wrong.json.code]).toEqual([403, 'password_refused']);
    const weak = await change({ current_password: OLD, new_password: 'password1234' });
    expect([weak.status, weak.json.errors[0].pointer]).toEqual([422, '/new_password']);
    expect((await change({ new_password: NEW })).status).toBe(422);
    expect((await login(quinn.email, OLD)).status).toBe(200);
  });

  it('holds guesses at the current one as failed sign-ins', async () => {
    const quinn = await newPerson(t, 'acme');
    const here = await signInAs(t, 'acme', quinn.email, OLD);
    const statuses = [];
    for (let guess = 1; guess <= 5; guess += 1) {
      const body = { current_password: `guess number ${guess}`, new_password: NEW };
      statuses.push((await here.send('POST', '/api/auth/change-password', body)).status);
    }
    expect(statuses[0]).toBe(403);
    expect(statuses).toContain(429);
  });

  it('happens once when two devices do it at the same moment', async () => {
    const quinn = await newPerson(t, 'acme');
    const [here, there] = [await signInAs(t, 'acme', quinn.email, OLD), await signInAs(t, 'acme', quinn.email, OLD)];
    const bodies = [NEW, `${NEW} again`].map((password) => ({ current_password: OLD, new_password: password }));
    const answers = await Promise.all([
      here.send('POST', '/api/auth/change-password', bodies[0]),
      there.send('POST', '/api/auth/change-password', bodies[1]),
    ]);
    expect(answers.filter((answer) => answer.status === 204)).toHaveLength(1);
  });
});

describe('a platform admin who acts as a user', () => {
  it('is refused at password, e-mail address, devices and second factor', async () => {
    const quinn = await newPerson(t, 'acme');
    const { id: tenantId } = await t.tenant('acme');
    const [admin, impersonation] = [newId(), newId()];
    await t.database.admin(
      `INSERT INTO platform.platform_admins (id, email, email_key, name, role) VALUES ($1, 'a@b.example', 'a@b.example', 'Ada', 'support')`,
      [admin],
    );
    await t.database.admin(
      `INSERT INTO platform.impersonations (id, admin_id, tenant_id, user_id, reason, status, minutes, expires_at)
       VALUES ($1, $2, $3, $4, 'a ticket', 'active', 30, now() + interval '30 minutes')`,
      [impersonation, admin, tenantId, quinn.id],
    );
    const token = t.app.get(AccessTokens, { strict: false }).sign('tenant', {
      sub: quinn.id,
      tid: tenantId,
      rv: 1,
      did: impersonation,
      act: { sub: admin, name: 'Ada' },
    });
    const ada = bearer(t, 'acme', token);
    expect(await meOf(ada)).toBe(200);
    const both = { password: OLD, code: '123456' };
    const refused = await Promise.all([
      ada.send('POST', '/api/auth/change-password', { current_password: OLD, new_password: NEW }),
      ada.send('POST', '/api/auth/verify-email/send'),
      ada.get('/api/auth/devices'),
      ada.send('DELETE', `/api/auth/devices/${newId()}`),
      ada.send('POST', '/api/auth/logout-all'),
      ada.send('POST', '/api/auth/mfa/enrol', { password: OLD }),
      ada.send('POST', '/api/auth/mfa/confirm', { code: '123456' }),
      ada.send('POST', '/api/auth/mfa/disable', both),
      ada.send('POST', '/api/auth/mfa/recovery-codes', both),
    ]);
    expect(refused.map(({ json }) => json.code)).toEqual(refused.map(() => 'refused_under_impersonation'));
  });
});

describe('a forgotten password', () => {
  it('is answered alike, with the same work done, for known, unknown and disabled users; only the first gets mail', async () => {
    const [known, disabled] = [await newPerson(t, 'acme'), await newPerson(t, 'acme')];
    await t.database.admin(`UPDATE everywhere.users SET status = 'disabled' WHERE id = $1`, [disabled.id]);
    const add = vi.spyOn(t.app.get(Outbox, { strict: false }), 'add');
    const hash = vi.spyOn(t.app.get(PasswordHasher, { strict: false }), 'verify');
    const answers: unknown[][] = [];
    for (const email of [known.email, 'nobody@acme.example', disabled.email]) {
      const before = add.mock.calls.length;
      const answer = await post('acme', '/api/auth/forgot-password', { email });
      const added = add.mock.calls.slice(before).map(([type]) => type);
      // What was asked for before may be handled meanwhile, and then adds mails of its own.
      answers.push([answer.status, answer.text, added.filter((type) => type !== 'mail.send')]);
    }
    expect(answers).toEqual(answers.map(() => [202, answers[0]?.[1], ['password-reset.requested']]));
    expect(hash).not.toHaveBeenCalled();
    vi.restoreAllMocks();
    await mailTo(smtp, known.email, /Set a new password/);
    await outboxEmpty(t);
    expect(smtp.to('nobody@acme.example')).toEqual([]);
    expect(smtp.to(disabled.email)).toEqual([]);
  });

  it('is set anew by the link: every device is out, the address is verified, the person is told', async () => {
    const quinn = await newPerson(t, 'acme');
    const device = await signInAs(t, 'acme', quinn.email, OLD);
    const token = await resetToken(quinn.email);
    expect((await reset(token, 'acme', 'password1234')).status).toBe(422);
    expect((await reset(token)).status).toBe(204);
    await expect.poll(() => meOf(device), SOON).toBe(401);
    expect((await login(quinn.email, OLD)).status).toBe(401);
    expect((await login(quinn.email, NEW)).status).toBe(200);
    const [row] = await t.database.admin<{ email_verified_at: Date | null }>(
      'SELECT email_verified_at FROM everywhere.users WHERE id = $1',
      [quinn.id],
    );
    expect(row?.email_verified_at).toBeInstanceOf(Date);
    await mailTo(smtp, quinn.email, /was changed/);
    expect(await audited('user.password-reset', quinn.id)).toBe(1);
  });

  it('is set once by a link that is sent ten times at once', async () => {
    const quinn = await newPerson(t, 'acme');
    const token = await resetToken(quinn.email);
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => reset(token, 'acme', `${NEW} ${n}`)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(9).fill(404)]);
  });

  it('is not set by a link that is older than the newest, expired, of another kind, or made up', async () => {
    const quinn = await newPerson(t, 'acme');
    const older = await resetToken(quinn.email);
    const newest = await resetToken(quinn.email, 2);
    expect((await reset(older)).json.code).toBe('link_invalid');
    await t.database.admin(
      `UPDATE everywhere.user_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [quinn.id],
    );
    expect((await reset(newest)).status).toBe(404);
    const device = await signInAs(t, 'acme', quinn.email, OLD);
    expect((await device.send('POST', '/api/auth/verify-email/send')).status).toBe(202);
    const verify = tokenIn(await mailTo(smtp, quinn.email, /Confirm your mail address/));
    for (const token of [verify, device.refreshToken, 'nonsense']) expect((await reset(token)).status).toBe(404);
    expect((await login(quinn.email, OLD)).status).toBe(200);
  });

  it("cannot be set at globex with acme's link, which stays good at acme; acme's log says so", async () => {
    const quinn = await newPerson(t, 'acme');
    const token = await resetToken(quinn.email);
    const [atGlobex, nonsense] = [await reset(token, 'globex'), await reset('nonsense', 'globex')];
    expect(atGlobex.status).toBe(404);
    expect({ ...atGlobex.json, request_id: '' }).toEqual({ ...nonsense.json, request_id: '' });
    const { id: acme } = await t.tenant('acme');
    await expect
      .poll(
        () =>
          t.database.admin(
            `SELECT tenant_id FROM everywhere.audit_events WHERE event = 'cross_tenant_access_attempt' AND details->>'route' = '/api/auth/reset-password'`,
          ),
        SOON,
      )
      .toEqual([{ tenant_id: acme }]);
    expect((await reset(token)).status).toBe(204);
  });

  it('makes at most three mails in 15 minutes, also when asked for all at once', async () => {
    const quinn = await newPerson(t, 'acme');
    await Promise.all(
      Array.from({ length: 8 }, () => post('acme', '/api/auth/forgot-password', { email: quinn.email })),
    );
    await mailTo(smtp, quinn.email, /Set a new password/, 3);
    await outboxEmpty(t);
    expect(smtp.to(quinn.email)).toHaveLength(3);
    const good = `SELECT 1 FROM everywhere.user_tokens WHERE user_id = $1 AND expires_at > now()`;
    expect(await t.database.admin(good, [quinn.id])).toHaveLength(1);
    await t.database.admin(
      `UPDATE everywhere.user_tokens SET created_at = created_at - interval '15 minutes' WHERE user_id = $1`,
      [quinn.id],
    );
    await resetToken(quinn.email, 4);
  });

  it('says what is wrong with a text that is no address', async () => {
    for (const email of ['no-at-sign', 'nul\0@acme.example', 7]) {
      expect((await post('acme', '/api/auth/forgot-password', { email })).status).toBe(422);
    }
  });
});

describe('verifying an address', () => {
  it('works once by the newest link, within a day, and is not asked for again', async () => {
    const quinn = await newPerson(t, 'acme');
    const device = await signInAs(t, 'acme', quinn.email, OLD);
    const send = () => device.send('POST', '/api/auth/verify-email/send');
    const verify = (token: string, tenant = 'acme') => post(tenant, '/api/auth/verify-email', { token });
    const next = async (nth: number) => {
      expect((await send()).status).toBe(202);
      return tokenIn(await mailTo(smtp, quinn.email, /Confirm your mail address/, nth));
    };
    const [first, second] = [await next(1), await next(2)];
    expect((await verify(first)).status).toBe(404);
    await t.database.admin(
      `UPDATE everywhere.user_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [quinn.id],
    );
    expect((await verify(second)).status).toBe(404);
    const third = await next(3);
    expect((await send()).json.code).toBe('too_many_mails');
    expect((await verify(third, 'globex')).status).toBe(404);
    const answers = await Promise.all(Array.from({ length: 5 }, () => verify(third)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404, 404]);
    expect((await send()).json.code).toBe('email_verified_already');
    expect(await audited('user.email-verified', quinn.id)).toBe(1);
  });

  it('proves nothing once the user has another address', async () => {
    const quinn = await newPerson(t, 'acme');
    const device = await signInAs(t, 'acme', quinn.email, OLD);
    await device.send('POST', '/api/auth/verify-email/send');
    const token = tokenIn(await mailTo(smtp, quinn.email, /Confirm your mail address/));
    await t.database.admin(`UPDATE everywhere.users SET email = 'other@acme.example' WHERE id = $1`, [quinn.id]);
    expect((await post('acme', '/api/auth/verify-email', { token })).status).toBe(404);
  });
});

describe('devices', () => {
  it('are listed with the current one marked, and page by page', async () => {
    const quinn = await newPerson(t, 'acme');
    await signInAs(t, 'acme', quinn.email, OLD);
    await signInAs(t, 'acme', quinn.email, OLD);
    const here = await signInAs(t, 'acme', quinn.email, OLD);
    const all = await here.get('/api/auth/devices');
    expect(all.headers['cache-control']).toBe('no-store');
    expect(all.json.items.map((device: { current: boolean }) => device.current)).toEqual([true, false, false]);
    expect(all.json.items[0]).toEqual({
      id: expect.any(String),
      name: 'unknown',
      address: '127.0.0.1',
      created_at: expect.any(String),
      last_used_at: expect.any(String),
      current: true,
    });
    const first = (await here.get('/api/auth/devices?limit=2')).json;
    const second = (await here.get(`/api/auth/devices?limit=2&cursor=${first.next_cursor}`)).json;
    expect([...first.items, ...second.items]).toEqual(all.json.items);
    expect(second.next_cursor).toBeNull();
    const colleague = await signIn(t, 'acme', 'viewer');
    expect((await colleague.get(`/api/auth/devices?cursor=${first.next_cursor}`)).status).toBe(422);
  });

  it('are signed out within a second, the current one too', async () => {
    const quinn = await newPerson(t, 'acme');
    const there = await signInAs(t, 'acme', quinn.email, OLD);
    const here = await signInAs(t, 'acme', quinn.email, OLD);
    const [current, other] = (await here.get('/api/auth/devices')).json.items as { id: string }[];
    expect((await here.send('DELETE', `/api/auth/devices/${other?.id}`)).status).toBe(204);
    await expect.poll(() => meOf(there), SOON).toBe(401);
    expect((await post('acme', '/api/auth/refresh', { refresh_token: there.refreshToken })).status).toBe(401);
    expect((await here.send('DELETE', `/api/auth/devices/${other?.id}`)).status).toBe(404);
    expect((await here.send('DELETE', `/api/auth/devices/${current?.id}`)).status).toBe(204);
    await expect.poll(() => meOf(here), SOON).toBe(401);
  });

  it("of a colleague, of globex's people and of nobody are not found", async () => {
    const here = await signIn(t, 'acme', 'member');
    const [colleague, stranger] = [await signIn(t, 'acme', 'admin'), await signIn(t, 'globex', 'member')];
    const ids = ['nonsense', newId()];
    for (const who of [colleague, stranger]) ids.push((await who.get('/api/auth/devices')).json.items[0].id);
    for (const id of ids) expect((await here.send('DELETE', `/api/auth/devices/${id}`)).status).toBe(404);
    expect([await meOf(colleague), await meOf(stranger)]).toEqual([200, 200]);
  });
});

describe('the own name', () => {
  it('is changed at once and audited with what it was', async () => {
    const quinn = await newPerson(t, 'acme');
    const here = await signInAs(t, 'acme', quinn.email, OLD);
    const answer = await here.send('PATCH', '/api/auth/me', { name: '  Quinn of Acme ' });
    expect([answer.status, answer.json.name]).toEqual([200, 'Quinn of Acme']);
    await expect.poll(async () => (await here.get('/api/auth/me')).json.name, SOON).toBe('Quinn of Acme');
    const events = await t.database.admin(
      `SELECT before, after FROM everywhere.audit_events WHERE event = 'user.renamed' AND target_id = $1`,
      [quinn.id],
    );
    expect(events).toEqual([{ before: { name: 'Quinn' }, after: { name: 'Quinn of Acme' } }]);
    for (const name of ['', '   ', 'a\nb', 'n\0l', 7]) {
      expect((await here.send('PATCH', '/api/auth/me', { name })).status).toBe(422);
    }
  });
});

describe('what has expired', () => {
  it('is purged in every tenant; links of the last hour stay, because they are counted', async () => {
    const [quinn, gale] = [await newPerson(t, 'acme'), await newPerson(t, 'globex')];
    await signInAs(t, 'acme', quinn.email, OLD);
    await signInAs(t, 'globex', gale.email, OLD);
    await resetToken(quinn.email);
    await resetToken(gale.email, 1, 'globex');
    await resetToken(gale.email, 2, 'globex');
    const purge = t.app.get(AuthPurge, { strict: false });
    await purge.purge();
    const held = async (table: string) =>
      (await t.database.admin(`SELECT 1 FROM everywhere.${table} WHERE user_id = ANY ($1)`, [[quinn.id, gale.id]]))
        .length;
    expect([await held('user_tokens'), await held('devices')]).toEqual([3, 2]);
    await t.database.admin(
      `UPDATE everywhere.user_tokens SET expires_at = now() - interval '61 minutes' WHERE user_id = ANY ($1)`,
      [[quinn.id, gale.id]],
    );
    await t.database.admin(
      `UPDATE everywhere.devices SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [quinn.id],
    );
    expect(await purge.purge()).toMatchObject({ user_tokens: 3, devices: 1 });
    expect([await held('user_tokens'), await held('devices')]).toEqual([0, 1]);
  });
});
