import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaChallenges } from '../../src/auth/mfa/mfa-challenges.js';
import { type FactorGiven, SecondFactors } from '../../src/auth/mfa/second-factors.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { liftAddressLimits, mailTo, newPerson, type Person, tokenIn } from '../kit/people.js';
import { bearer, signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const PASSWORD = 'demo-password';

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

const post = (path: string, body: unknown, tenant = 'acme') =>
  t.request('POST', `/api/auth/${path}`, { headers: { 'x-tenant-id': tenant }, body });
/** What the app of the person shows, `steps` of 30 s from now; one either way is taken. */
const codeOf = (secret: string, steps = 0) =>
  new TOTP({ secret, algorithm: 'SHA1', digits: 6, period: 30 }).generate({ timestamp: Date.now() + steps * 30_000 });
const wrong = (secret: string) => {
  const near = [-2, -1, 0, 1, 2].map((steps) => codeOf(secret, steps));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !near.includes(code))!;
};
/** As if the last code had been used long ago, so that the present one is unused. */
const forgetStep = (person: Person) =>
  t.database.admin('UPDATE everywhere.users SET mfa_last_step = 1 WHERE id = $1', [person.id]);

interface Enrolled extends Person {
  device: SignedIn;
  secret: string;
  recoveryCodes: string[];
}

async function enrolled(tenant = 'acme', role = 'member'): Promise<Enrolled> {
  const person = await newPerson(t, tenant, role);
  const device = await signInAs(t, tenant, person.email, PASSWORD);
  const { secret } = (await device.send('POST', '/api/auth/mfa/enrol', { password: PASSWORD })).json;
  const confirmed = await device.send('POST', '/api/auth/mfa/confirm', { code: codeOf(secret) });
  expect(confirmed.status, confirmed.text).toBe(200);
  await forgetStep(person);
  return { ...person, device, secret, recoveryCodes: confirmed.json.recovery_codes };
}

async function challenge(person: Person, tenant = 'acme'): Promise<string> {
  const answer = await post('login', { email: person.email, password: PASSWORD }, tenant);
  expect([answer.status, answer.json.code]).toEqual([401, 'mfa_required']);
  return answer.json.mfa_token;
}

async function demandOf(tenant: string, roles: string[]): Promise<void> {
  await t.database.admin(
    `UPDATE platform.tenants SET settings = settings || jsonb_build_object('auth.mfa_roles', $2::jsonb) WHERE slug = $1`,
    [tenant, JSON.stringify(roles)],
  );
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', $1)`, [tenant]);
}

describe('enrolling', () => {
  it('takes the password and a code, answers ten recovery codes once, and is mailed', async () => {
    const quinn = await newPerson(t, 'acme');
    const device = await signInAs(t, 'acme', quinn.email, PASSWORD);
    const enrol = (body: unknown) => device.send('POST', '/api/auth/mfa/enrol', body);
    expect((await enrol({ password: 'not-my-password' })).json.code).toBe('password_refused');
    expect((await enrol({})).status).toBe(422);
    const begun = (await enrol({ password: PASSWORD })).json;
    expect(begun.otpauth_uri).toContain(`secret=${begun.secret}`);
    expect(begun.otpauth_uri).toContain('issuer=Acme');
    const confirm = (code: string) => device.send('POST', '/api/auth/mfa/confirm', { code });
    expect((await confirm(wrong(begun.secret))).json.code).toBe('code_refused');
    expect((await post('login', { email: quinn.email, password: PASSWORD })).status).toBe(200);
    const confirmed = await confirm(codeOf(begun.secret));
    expect(confirmed.headers['cache-control']).toBe('no-store');
    expect(Object.keys(confirmed.json)).toEqual(['recovery_codes']);
    expect(new Set(confirmed.json.recovery_codes).size).toBe(10);
    expect((await enrol({ password: PASSWORD })).json.code).toBe('mfa_enabled_already');
    expect((await mailTo(smtp, quinn.email, /second factor/)).text).toContain('enabled');
    await challenge(quinn);
  });

  it('leaves neither the secret nor a recovery code readable in the database', async () => {
    const quinn = await enrolled();
    const rows = await t.database.admin<{ text: string }>(
      `SELECT encode(mfa_secret, 'escape') AS text FROM everywhere.users WHERE id = $1
       UNION ALL SELECT encode(code_hash, 'escape') FROM everywhere.recovery_codes WHERE user_id = $1
       UNION ALL SELECT e::text FROM everywhere.audit_events e WHERE target_id = $1::text`,
      [quinn.id],
    );
    expect(rows.length).toBeGreaterThan(11);
    const all = rows.map(({ text }) => text).join('\n');
    for (const secret of [quinn.secret, ...quinn.recoveryCodes]) expect(all).not.toContain(secret);
  });

  it("does not open a secret that was copied to a colleague's row", async () => {
    const [quinn, robin] = [await enrolled(), await enrolled()];
    await t.database.admin(
      'UPDATE everywhere.users SET mfa_secret = (SELECT mfa_secret FROM everywhere.users WHERE id = $1) WHERE id = $2',
      [quinn.id, robin.id],
    );
    const mfaToken = await challenge(robin);
    expect((await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) })).status).toBe(500);
  });
});

describe('the second step of a sign-in', () => {
  it('takes the code and answers a pair of tokens, in a cookie where asked', async () => {
    const quinn = await enrolled();
    const answer = await post('login/mfa', { mfa_token: await challenge(quinn), code: codeOf(quinn.secret) });
    expect(answer.json).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
    });
    expect((await bearer(t, 'acme', answer.json.access_token).get('/api/auth/me')).status).toBe(200);
    await forgetStep(quinn);
    const body = { mfa_token: await challenge(quinn), code: codeOf(quinn.secret), cookie: true };
    const browser = await post('login/mfa', body);
    expect(browser.json.refresh_token).toBeUndefined();
    expect(browser.json.csrf_token).toEqual(expect.any(String));
    expect(String(browser.headers['set-cookie'])).toContain('HttpOnly');
  });

  it('never takes a code twice, nor one before it', async () => {
    const quinn = await enrolled();
    const [first, second, third] = [await challenge(quinn), await challenge(quinn), await challenge(quinn)];
    const code = codeOf(quinn.secret);
    expect((await post('login/mfa', { mfa_token: first, code })).status).toBe(200);
    expect((await post('login/mfa', { mfa_token: second, code })).json.code).toBe('mfa_refused');
    const before = { mfa_token: third, code: codeOf(quinn.secret, -1) };
    expect((await post('login/mfa', before)).json.code).toBe('mfa_refused');
  });

  it('takes one of twenty uses of a code at once, where the throttle does not come first', async () => {
    const quinn = await enrolled();
    const factors = t.app.get(SecondFactors, { strict: false });
    const used = async (given: FactorGiven) =>
      t.app.get(TenantRunner).run(await t.tenant('acme'), async () => {
        const user = await factors.ownerOf(quinn.id);
        return Promise.all(Array.from({ length: 20 }, () => factors.use(user, given)));
      });
    for (const given of [{ code: codeOf(quinn.secret) }, { recoveryCode: quinn.recoveryCodes[0]! }]) {
      expect((await used(given)).filter(Boolean)).toHaveLength(1);
    }
  });

  it('uses a challenge up', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    expect((await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) })).status).toBe(200);
    await forgetStep(quinn);
    const again = await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) });
    expect(again.json.code).toBe('mfa_refused');
  });

  it('takes a recovery code once, also from ten at once, however it is typed', async () => {
    const quinn = await enrolled();
    const code = quinn.recoveryCodes[0]!.toLowerCase().replaceAll('-', ' ');
    const challenges: string[] = [];
    // One after the other: sign-ins at once hold each other until they have succeeded.
    while (challenges.length < 10) challenges.push(await challenge(quinn));
    const answers = await Promise.all(
      challenges.map((mfaToken) => post('login/mfa', { mfa_token: mfaToken, recovery_code: code })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const left = await t.database.admin('SELECT 1 FROM everywhere.recovery_codes WHERE user_id = $1', [quinn.id]);
    expect(left).toHaveLength(9);
  });

  it("is over after five minutes, and acme's challenge is unknown to globex", async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    const code = codeOf(quinn.secret);
    expect((await post('login/mfa', { mfa_token: mfaToken, code }, 'globex')).json.code).toBe('mfa_refused');
    await t.database.admin(
      `UPDATE everywhere.user_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [quinn.id],
    );
    expect((await post('login/mfa', { mfa_token: mfaToken, code })).json.code).toBe('mfa_refused');
  });

  it('is over after five tries, also when they come at once', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    const tries = await t.app.get(TenantRunner).run(await t.tenant('acme'), () => {
      const challenges = t.app.get(MfaChallenges, { strict: false });
      return Promise.allSettled(Array.from({ length: 12 }, () => challenges.attempt(mfaToken)));
    });
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    const right = { mfa_token: mfaToken, code: codeOf(quinn.secret) };
    expect((await post('login/mfa', right)).json.code).toBe('mfa_refused');
  });

  it('is throttled over all challenges of the user', async () => {
    const quinn = await enrolled();
    const statuses = [];
    for (let guess = 0; guess < 5; guess += 1) {
      const body = { mfa_token: await challenge(quinn), code: wrong(quinn.secret) };
      statuses.push((await post('login/mfa', body)).status);
    }
    expect(statuses[0]).toBe(401);
    expect(statuses).toContain(429);
  });

  it('leads nowhere once the password was reset, and a reset does not switch the second factor off', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    await post('forgot-password', { email: quinn.email });
    const token = tokenIn(await mailTo(smtp, quinn.email, /Set a new password/));
    expect((await post('reset-password', { token, new_password: 'a quiet heron at noon' })).status).toBe(204);
    expect((await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) })).status).toBe(401);
    const login = await post('login', { email: quinn.email, password: 'a quiet heron at noon' });
    expect(login.json.code).toBe('mfa_required');
  });

  it('presented to another tenant is told of in the log of its own', async () => {
    const { id: initech } = await t.tenant('initech');
    const quinn = await enrolled('initech');
    const mfaToken = await challenge(quinn, 'initech');
    const answers = [await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) }, 'globex')];
    answers.push(await post('login/mfa', { mfa_token: 'nonsense', code: codeOf(quinn.secret) }, 'globex'));
    expect({ ...answers[0]?.json, request_id: '' }).toEqual({ ...answers[1]?.json, request_id: '' });
    await expect
      .poll(
        () =>
          t.database.admin(
            `SELECT tenant_id, details->>'target' AS target FROM everywhere.audit_events
              WHERE event = 'cross_tenant_access_attempt' AND details->>'route' = '/api/auth/login/mfa' AND tenant_id = $1`,
            [initech],
          ),
        { timeout: 10_000 },
      )
      .toEqual([{ tenant_id: initech, target: 'globex' }]);
    expect((await post('login/mfa', { mfa_token: mfaToken, code: codeOf(quinn.secret) }, 'initech')).status).toBe(200);
  });

  it('leads nowhere once the user has signed out everywhere, also if it began at that very moment', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    expect((await quinn.device.send('POST', '/api/auth/logout-all')).status).toBe(204);
    const waiting = `SELECT 1 FROM everywhere.user_tokens WHERE user_id = $1 AND purpose = 'mfa'`;
    expect(await t.database.admin(waiting, [quinn.id])).toEqual([]);
    const code = codeOf(quinn.secret);
    expect((await post('login/mfa', { mfa_token: mfaToken, code })).json.code).toBe('mfa_refused');
    const racing = await challenge(quinn);
    await t.database.admin('UPDATE everywhere.users SET token_version = token_version + 1 WHERE id = $1', [quinn.id]);
    expect((await post('login/mfa', { mfa_token: racing, code })).json.code).toBe('mfa_refused');
    expect((await post('login/mfa', { mfa_token: await challenge(quinn), code })).status).toBe(200);
  });

  it('leads nowhere once the second factor was given up', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    const body = { password: PASSWORD, code: codeOf(quinn.secret) };
    expect((await quinn.device.send('POST', '/api/auth/mfa/disable', body)).status).toBe(204);
    expect((await post('mfa/enrol', { mfa_token: mfaToken })).json.code).toBe('mfa_refused');
  });

  it('wants a code or a recovery code, and not both', async () => {
    const quinn = await enrolled();
    const mfaToken = await challenge(quinn);
    const both = { mfa_token: mfaToken, code: '123456', recovery_code: quinn.recoveryCodes[0] };
    for (const body of [{ mfa_token: mfaToken }, both]) expect((await post('login/mfa', body)).status).toBe(422);
  });
});

describe('a person who has a second factor', () => {
  it('gives it up with password and code', async () => {
    const quinn = await enrolled();
    const disable = (body: unknown) => quinn.device.send('POST', '/api/auth/mfa/disable', body);
    const refused = await disable({ password: 'not-my-password', code: codeOf(quinn.secret) });
    expect(refused.json.code).toBe('password_refused');
    expect((await disable({ password: PASSWORD, code: wrong(quinn.secret) })).json.code).toBe('code_refused');
    expect((await disable({ password: PASSWORD, code: codeOf(quinn.secret) })).status).toBe(204);
    expect((await post('login', { email: quinn.email, password: PASSWORD })).status).toBe(200);
    expect((await mailTo(smtp, quinn.email, /second factor/, 2)).text).toContain('disabled');
    expect((await disable({ password: PASSWORD, code: '123456' })).json.code).toBe('mfa_not_enabled');
  });

  it('makes new recovery codes, ten also when asked twice at once, and the old ones are void', async () => {
    const quinn = await enrolled();
    const renew = (recovery: string | undefined) =>
      quinn.device.send('POST', '/api/auth/mfa/recovery-codes', { password: PASSWORD, recovery_code: recovery });
    const answers = await Promise.all([renew(quinn.recoveryCodes[0]), renew(quinn.recoveryCodes[1])]);
    const made = answers.filter(({ status }) => status === 200);
    expect(made.length).toBeGreaterThan(0);
    const left = await t.database.admin('SELECT 1 FROM everywhere.recovery_codes WHERE user_id = $1', [quinn.id]);
    expect(left).toHaveLength(10);
    const old = { mfa_token: await challenge(quinn), recovery_code: quinn.recoveryCodes[2] };
    expect((await post('login/mfa', old)).json.code).toBe('mfa_refused');
  });
});

describe('a role that must have a second factor', () => {
  it('is led through enrolment at sign-in, and cannot give it up again', async () => {
    const quinn = await newPerson(t, 'globex', 'viewer');
    await demandOf('globex', ['viewer']);
    const login = () => post('login', { email: quinn.email, password: PASSWORD }, 'globex');
    await expect.poll(async () => (await login()).json.code).toBe('mfa_enrolment_required');
    const mfaToken = (await login()).json.mfa_token;
    const { secret } = (await post('mfa/enrol', { mfa_token: mfaToken }, 'globex')).json;
    const confirmation = { mfa_token: mfaToken, code: codeOf(secret) };
    expect((await post('mfa/confirm', confirmation, 'acme')).status).toBe(401);
    const confirmed = await post('mfa/confirm', confirmation, 'globex');
    expect(confirmed.json.recovery_codes).toHaveLength(10);
    const device = bearer(t, 'globex', confirmed.json.access_token);
    expect((await device.get('/api/auth/me')).status).toBe(200);
    expect((await post('mfa/confirm', confirmation, 'globex')).status).toBe(401);
    const disable = await device.send('POST', '/api/auth/mfa/disable', { password: PASSWORD, code: codeOf(secret, 1) });
    expect([disable.status, disable.json.code]).toEqual([409, 'mfa_demanded']);
    // The password alone must not replace what it is to be joined by.
    const second = await challenge(quinn, 'globex');
    expect((await post('mfa/enrol', { mfa_token: second }, 'globex')).json.code).toBe('mfa_enabled_already');
  });

  it('keeps those who are signed in working until they refresh, and then keeps their refresh token good', async () => {
    const robin = await newPerson(t, 'globex', 'admin');
    const device = await signInAs(t, 'globex', robin.email, PASSWORD);
    const refresh = (token = device.refreshToken) => post('refresh', { refresh_token: token }, 'globex');
    const used = (await signInAs(t, 'globex', robin.email, PASSWORD)).refreshToken;
    const next = (await refresh(used)).json.refresh_token;
    expect((await refresh(next)).status).toBe(200);
    await demandOf('globex', ['admin']);
    await expect
      .poll(async () => (await post('login', { email: robin.email, password: PASSWORD }, 'globex')).json.code)
      .toBe('mfa_enrolment_required');
    expect((await device.get('/api/auth/me')).status).toBe(200);
    // Of a token from before, nobody may be enrolled.
    expect((await refresh(used)).json.code).toBe('refresh_refused');
    const demanded = await refresh();
    expect([demanded.status, demanded.json.code]).toEqual([401, 'sign_in_again']);
    // Whoever holds no more than a refresh token is not let near the second factor.
    expect(demanded.json).not.toHaveProperty('mfa_token');
    const login = await post('login', { email: robin.email, password: PASSWORD }, 'globex');
    const mfaToken = login.json.mfa_token;
    const { secret } = (await post('mfa/enrol', { mfa_token: mfaToken }, 'globex')).json;
    const confirmed = await post('mfa/confirm', { mfa_token: mfaToken, code: codeOf(secret) }, 'globex');
    expect(confirmed.status).toBe(200);
    expect((await refresh()).status).toBe(200);
  });

  it('is not escaped by a role of the same permissions, nor of nearly the same, and asks nothing of lesser ones', async () => {
    const { id } = await t.tenant('initech');
    const owner = await signIn(t, 'initech', 'owner');
    const { items } = (await owner.get('/api/roles')).json;
    const admins: string[] = items.find(({ name }: { name: string }) => name === 'admin').permissions;
    const members: string[] = items.find(({ name }: { name: string }) => name === 'member').permissions;
    const apart = admins.filter((permission) => !members.includes(permission));
    for (const [name, permissions] of [
      ['twin', admins],
      ['nearly', admins.filter((permission) => permission !== apart[0])],
      ['helper', members],
    ] as const) {
      await t.database.admin(
        'INSERT INTO everywhere.roles (tenant_id, id, name, permissions) VALUES ($1, gen_random_uuid(), $2, $3)',
        [id, name, permissions],
      );
    }
    await demandOf('initech', ['admin']);
    const outcome = async (role: string) => {
      const { email } = await newPerson(t, 'initech', role);
      const { status, json } = await post('login', { email, password: PASSWORD }, 'initech');
      return status === 200 ? 'in' : json.code;
    };
    await expect.poll(() => outcome('admin')).toBe('mfa_enrolment_required');
    expect(await outcome('twin')).toBe('mfa_enrolment_required');
    expect(await outcome('nearly')).toBe('mfa_enrolment_required');
    expect(await outcome('helper')).toBe('in');
    expect(await outcome('member')).toBe('in');
    // Composed roles can be listed as well; what any member may do asks for nothing.
    await demandOf('initech', ['helper', 'no-such-role']);
    await expect.poll(() => outcome('helper')).toBe('mfa_enrolment_required');
    expect(await outcome('admin')).toBe('in');
  });

  it('is not enrolled by anybody without password or challenge', async () => {
    expect((await post('mfa/enrol', { password: PASSWORD })).json.code).toBe('credential_required');
    expect((await post('mfa/confirm', { code: '123456' })).json.code).toBe('credential_required');
    expect((await post('mfa/enrol', { mfa_token: 'nonsense' })).json.code).toBe('mfa_refused');
  });
});
