import http from 'node:http';
import { hashSync } from '@node-rs/argon2';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { KnownAddresses } from '../../src/auth/devices/known.addresses.js';
import { PasswordHasher } from '../../src/auth/passwords/password.hasher.js';
import { liftAddressLimits, mailTo, newPerson, outboxEmpty, type Person, tokenIn } from '../kit/people.js';
import { ROOT, ROOT_ENV } from '../kit/platform.js';
import { bearer } from '../kit/sign-in.js';
import { type Answer, createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const PASSWORD = 'demo-password';
const NEW = 'a quiet heron at noon';

let t: TestApp;
let smtp: TestSmtp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url, TRUSTED_PROXIES: 'loopback' });
  await liftAddressLimits(t);
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});
afterEach(() => {
  vi.restoreAllMocks();
});

let places = 0;
/** An address that nobody came from before. */
const newPlace = () => `198.18.${(places += 1) >> 8}.${places & 255}`;

type Login = (email: string, password: string, from: string) => Promise<Answer>;
const login: Login = (email, password, from) =>
  t.request('POST', '/api/auth/login', {
    headers: { 'x-tenant-id': 'acme', 'x-forwarded-for': from },
    body: { email, password },
  });
const platformLogin: Login = (email, password, from) =>
  t.request('POST', '/api/admin/auth/login', { headers: { 'x-forwarded-for': from }, body: { email, password } });

const outcome = ({ status, json }: Answer) => (status === 200 ? 'in' : `${status} ${json.code}`);
const TURNED_AWAY = '401 sign_in_refused';
const HELD = '429 too_many_attempts';

/** Wrong passwords from everywhere, until the account may be tried once in a while only. */
async function besiege(signIn: Login, email: string): Promise<void> {
  await Promise.all(Array.from({ length: 10 }, () => signIn(email, 'not the password', newPlace())));
}

describe.each<[string, Login, () => Promise<[email: string, password: string]>]>([
  ['of a tenant', login, async () => [(await newPerson(t, 'acme')).email, PASSWORD]],
  ['of the platform', platformLogin, () => Promise.resolve([ROOT.email, ROOT.password])],
])('failed attempts to sign in %s', (_whose, signIn, somebody) => {
  it('hold the account after ten, wherever the next comes from, and let in who is known where they are', async () => {
    const [email, password] = await somebody();
    const home = newPlace();
    expect(outcome(await signIn(email, password, home))).toBe('in');
    await besiege(signIn, email);
    const held = await signIn(email, password, newPlace());
    expect(outcome(held)).toBe(HELD);
    expect(Number(held.headers['retry-after'])).toBeGreaterThan(0);
    expect(outcome(await signIn(email, password, home))).toBe('in');
  });

  it('hold an account that does not exist in the same way', async () => {
    const nobody = `nobody-${newPlace()}@acme.example`;
    await besiege(signIn, nobody);
    expect(outcome(await signIn(nobody, PASSWORD, newPlace()))).toBe(HELD);
  });

  it('hold the address after fifty, whoever is tried from there, and nobody elsewhere', async () => {
    const from = newPlace();
    const guesses = Array.from({ length: 50 }, (_, n) => signIn(`guess-${n}-${from}@acme.example`, PASSWORD, from));
    expect(new Set((await Promise.all(guesses)).map(outcome))).toEqual(new Set([TURNED_AWAY]));
    const another = `another-${from}@acme.example`;
    expect(outcome(await signIn(another, PASSWORD, from))).toBe(HELD);
    expect(outcome(await signIn(another, PASSWORD, newPlace()))).toBe(TURNED_AWAY);
  });
});

describe('a person who is attacked from everywhere', () => {
  async function setNewPassword({ email }: Person, from: string): Promise<void> {
    const headers = { 'x-tenant-id': 'acme', 'x-forwarded-for': from };
    await t.request('POST', '/api/auth/forgot-password', { headers, body: { email } });
    const token = tokenIn(await mailTo(smtp, email, /Set a new password/));
    const reset = { headers, body: { token, new_password: NEW } };
    expect((await t.request('POST', '/api/auth/reset-password', reset)).status).toBe(204);
  }

  it('gets in at a new address by setting a new password by mail, own mistypings forgotten', async () => {
    const quinn = await newPerson(t, 'acme');
    const travelling = newPlace();
    for (let mistyped = 0; mistyped < 5; mistyped += 1) await login(quinn.email, 'mistyped', travelling);
    await besiege(login, quinn.email);
    expect(outcome(await login(quinn.email, PASSWORD, travelling))).toBe(HELD);
    await setNewPassword(quinn, travelling);
    await besiege(login, quinn.email);
    expect(outcome(await login(quinn.email, NEW, newPlace()))).toBe(HELD);
    expect(outcome(await login(quinn.email, NEW, travelling))).toBe('in');
  });

  it('is trusted for that one day long', async () => {
    const quinn = await newPerson(t, 'acme');
    const there = newPlace();
    await setNewPassword(quinn, there);
    await t.database.admin(
      `UPDATE everywhere.known_addresses SET proven_at = now() - interval '25 hours' WHERE user_id = $1`,
      [quinn.id],
    );
    await besiege(login, quinn.email);
    expect(outcome(await login(quinn.email, NEW, there))).toBe(HELD);
  });

  it('stays known at home after signing out everywhere', async () => {
    const quinn = await newPerson(t, 'acme');
    const home = newPlace();
    const { access_token } = (await login(quinn.email, PASSWORD, home)).json;
    expect((await bearer(t, 'acme', access_token).send('POST', '/api/auth/logout-all')).status).toBe(204);
    await besiege(login, quinn.email);
    expect(outcome(await login(quinn.email, PASSWORD, home))).toBe('in');
  });
});

describe('the places a person is known from', () => {
  it('are not told of as new, also after signing out; others are', async () => {
    const quinn = await newPerson(t, 'acme');
    const [home, abroad] = [newPlace(), newPlace()];
    const told = async () => {
      await outboxEmpty(t);
      return smtp.to(quinn.email).filter(({ text }) => text?.includes('198.18.')).length;
    };
    for (let day = 0; day < 3; day += 1) {
      const { refresh_token } = (await login(quinn.email, PASSWORD, home)).json;
      const logout = { headers: { 'x-tenant-id': 'acme' }, body: { refresh_token } };
      expect((await t.request('POST', '/api/auth/logout', logout)).status).toBe(204);
    }
    expect(await told()).toBe(0);
    for (let time = 0; time < 2; time += 1) expect(outcome(await login(quinn.email, PASSWORD, abroad))).toBe('in');
    expect(await told()).toBe(1);
  });

  it('are twenty at most, the longest unvisited forgotten first, and no address stands in the table', async () => {
    const quinn = await newPerson(t, 'acme');
    await t.database.admin(
      `INSERT INTO everywhere.known_addresses (tenant_id, id, user_id, address_hash, signed_in_at, last_seen_at)
       SELECT tenant_id, gen_random_uuid(), id, decode(lpad(to_hex(n), 64, '0'), 'hex'), now(), now() - n * interval '1 hour'
         FROM everywhere.users, generate_series(1, 30) n WHERE id = $1`,
      [quinn.id],
    );
    expect(outcome(await login(quinn.email, PASSWORD, newPlace()))).toBe('in');
    const rows = await t.database.admin<{ address_hash: Buffer }>(
      'SELECT address_hash FROM everywhere.known_addresses WHERE user_id = $1 ORDER BY last_seen_at DESC',
      [quinn.id],
    );
    expect(rows).toHaveLength(20);
    expect(rows[0]?.address_hash).toHaveLength(32);
    expect(rows.at(-1)?.address_hash.at(-1)).toBe(19);
  });
});

describe('a known and an unknown user', () => {
  it('cost the same look-ups and the same hash when the password is wrong, and when they are held', async () => {
    const asked = vi.spyOn(t.app.get(KnownAddresses, { strict: false }), 'of');
    const hashed = vi.spyOn(t.app.get(PasswordHasher, { strict: false }), 'verify');
    const { email } = await newPerson(t, 'acme');
    for (const account of [email, 'nobody-at-all@acme.example']) {
      const from = newPlace();
      for (let n = 0; n < 5; n += 1) await login(account, 'not the password', from);
      const held = await login(account, 'not the password', from);
      expect(outcome(held)).toBe(HELD);
      expect(asked).toHaveBeenCalledTimes(6);
      expect(hashed.mock.calls.length).toBeGreaterThanOrEqual(4);
      expect(hashed.mock.calls.length).toBeLessThan(6);
      expect(hashed.mock.calls.every(([stored]) => (stored === undefined) === account.startsWith('nobody'))).toBe(true);
      asked.mockClear();
      hashed.mockClear();
    }
  });
});

describe('a password hash of older parameters', () => {
  it('is made anew when its owner signs in, and only then', async () => {
    const quinn = await newPerson(t, 'acme');
    const old = hashSync(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    await t.database.admin('UPDATE everywhere.users SET password_hash = $2 WHERE id = $1', [quinn.id, old]);
    const stored = async () => {
      const [row] = await t.database.admin<{ password_hash: string }>(
        'SELECT password_hash FROM everywhere.users WHERE id = $1',
        [quinn.id],
      );
      return row?.password_hash;
    };
    const home = newPlace();
    expect(outcome(await login(quinn.email, 'not the password', home))).toBe(TURNED_AWAY);
    expect(await stored()).toBe(old);
    expect(outcome(await login(quinn.email, PASSWORD, home))).toBe('in');
    const fresh = await stored();
    expect(fresh).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(outcome(await login(quinn.email, PASSWORD, home))).toBe('in');
    expect(await stored()).toBe(fresh);
  });
});

describe('more sign-ins than can be looked at', () => {
  let small: TestApp;
  beforeAll(async () => {
    small = await createTestApp({ PASSWORD_HASH_CONCURRENCY: '1', PASSWORD_HASH_QUEUE: '8' });
  });
  afterAll(() => small.close());

  it('are answered 503 with the time to come back, and do not count as failed', async () => {
    const headers = { 'x-tenant-id': 'acme' };
    const body = (n: number) => ({ email: `rush-${n}@acme.example`, password: PASSWORD });
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, n) => small.request('POST', '/api/auth/login', { headers, body: body(n) })),
    );
    const busy = all.filter(({ status }) => status === 503);
    expect(new Set(all.map(outcome))).toEqual(new Set([TURNED_AWAY, '503 sign_in_busy']));
    for (const answer of busy) expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  });

  it('are not hashed for clients that have left', async () => {
    const verify = vi.spyOn(small.app.get(PasswordHasher, { strict: false }), 'verify');
    const requests = Array.from({ length: 9 }, (_, n) => {
      const headers = { 'x-tenant-id': 'acme', 'content-type': 'application/json' };
      const to = {
        host: '127.0.0.1',
        port: small.port,
        method: 'POST',
        path: '/api/auth/login',
        headers,
        agent: false,
      };
      const request = http.request(to).on('error', () => undefined);
      request.end(JSON.stringify({ email: `gone-${n}@globex.example`, password: PASSWORD }));
      return request;
    });
    await expect.poll(() => verify.mock.calls.length, { interval: 1, timeout: 5000 }).toBeGreaterThanOrEqual(5);
    for (const request of requests) request.destroy();
    const settled = await Promise.allSettled(verify.mock.results.map(({ value }) => value as Promise<unknown>));
    const left = settled.filter((one) => one.status === 'rejected' && one.reason.code === 'client_left');
    expect(left.length).toBeGreaterThan(0);
  });
});
