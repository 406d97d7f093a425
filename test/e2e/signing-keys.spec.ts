import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRotation, type Realm } from '../../src/auth/index.js';
import { ROOT_ENV, secondInstance, signInAdmin } from '../kit/platform.js';
import { bearer, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';

const execute = promisify(execFile);
const withinASecond = { timeout: 1000, interval: 20 };

describe('rotating the keys that sign access tokens', { timeout: 60_000 }, () => {
  let t: TestApp;
  let other: TestApp;
  let elsewhere: DataSource;
  /** As the command has it: it shares nothing with the running applications but the database. */
  let rotation: KeyRotation;
  beforeAll(async () => {
    t = await createTestApp(ROOT_ENV);
    other = await secondInstance(t.database);
    const url = t.database.prepared.url('platform');
    elsewhere = await new DataSource({ type: 'postgres', url, poolSize: 1 }).initialize();
    rotation = new KeyRotation(elsewhere, t.database.prepared.keys);
  });
  afterAll(async () => {
    await elsewhere.destroy();
    await other.close();
    await t.close();
  });

  const both = <T>(ask: (app: TestApp) => Promise<T>) => Promise.all([ask(t), ask(other)]);
  const kidOf = (token: string): string =>
    JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString('utf8')).kid;
  const newKid = async (app: TestApp) => kidOf((await signIn(app, 'acme', 'viewer')).accessToken);
  const kids = async (app: TestApp, realm: Realm = 'tenant') => {
    const route = realm === 'tenant' ? '/.well-known/jwks.json' : '/api/admin/.well-known/jwks.json';
    const { keys } = (await app.request('GET', route)).json as { keys: Record<string, string>[] };
    for (const key of keys) expect(key).not.toHaveProperty('d');
    return keys.map(({ kid }) => kid).sort();
  };
  const works = async (app: TestApp, token: string) => (await bearer(app, 'acme', token).get('/api/auth/me')).status;

  it('announces the new key at once, signs with it after the delay, and takes tokens of both', async () => {
    const old = await signIn(t, 'acme', 'owner');
    const before = kidOf(old.accessToken);
    const { kid } = await rotation.rotate('tenant', 3);
    await expect.poll(() => both(kids), withinASecond).toEqual(Array(2).fill([before, kid].sort()));
    expect(await both(newKid)).toEqual([before, before]);
    await expect.poll(() => both(newKid), { timeout: 15_000, interval: 500 }).toEqual([kid, kid]);
    const fresh = await signIn(t, 'acme', 'owner');
    for (const token of [old.accessToken, fresh.accessToken]) {
      expect(await both((app) => works(app, token))).toEqual([200, 200]);
    }
  });

  it('at once is believed by an instance that has not used the key yet', async () => {
    const { kid } = await rotation.rotate('tenant', 0);
    await expect.poll(() => newKid(t), withinASecond).toBe(kid);
    const { accessToken } = await signIn(t, 'acme', 'owner');
    await expect.poll(() => works(other, accessToken), withinASecond).toBe(200);
  });

  it('signs with the newest, even if an older one was to begin later', async () => {
    await rotation.rotate('tenant', 2);
    const { kid } = await rotation.rotate('tenant', 0);
    await expect.poll(() => both(newKid), withinASecond).toEqual([kid, kid]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await both(newKid)).toEqual([kid, kid]);
  });

  it('lets a key go once no token of it can be valid any more, an impersonation of 30 minutes included', async () => {
    const { accessToken } = await signIn(t, 'acme', 'owner');
    const old = kidOf(accessToken);
    await rotation.rotate('tenant', 300);
    const [row] = await t.database.admin<{ seconds: number }>(
      `SELECT extract(epoch FROM retired_at - now())::int AS seconds FROM platform.signing_keys WHERE kid = $1`,
      [old],
    );
    expect(row?.seconds).toBeGreaterThan(300 + 30 * 60);
    await rotation.rotate('tenant', 0);
    expect(await both((app) => works(app, accessToken))).toEqual([200, 200]);
    await t.database.admin('UPDATE platform.signing_keys SET retired_at = now() WHERE kid = $1', [old]);
    await t.database.admin(`SELECT pg_notify('tenantry_signing_keys', $1)`, [old]);
    const held = async () => (await both(kids)).flat().includes(old);
    await expect.poll(held, withinASecond).toBe(false);
  });

  it('retires the old keys at once on every instance when one was lost, remembered tokens included', async () => {
    const old = await signIn(t, 'acme', 'owner');
    expect(await both((app) => works(app, old.accessToken))).toEqual([200, 200]);
    await rotation.rotate('tenant', 300);
    const { kid } = await rotation.revoke('tenant');
    await expect.poll(() => both(kids), withinASecond).toEqual([[kid], [kid]]);
    expect(await both((app) => works(app, old.accessToken))).toEqual([401, 401]);
    const fresh = await old.send('POST', '/api/auth/refresh', { refresh_token: old.refreshToken });
    expect(kidOf(fresh.json.access_token)).toBe(kid);
    expect(await both((app) => works(app, fresh.json.access_token))).toEqual([200, 200]);
  });

  it('of tenants leaves those of the platform alone, and the reverse', async () => {
    const [tenants, platform] = [await kids(t), await kids(t, 'platform')];
    const { kid } = await rotation.rotate('platform', 0);
    await expect.poll(() => kids(t, 'platform'), withinASecond).toEqual([...platform, kid].sort());
    expect(await kids(t)).toEqual(tenants);
    await expect.poll(async () => kidOf((await signInAdmin(t)).accessToken), withinASecond).toBe(kid);
    expect(tenants).not.toContain(kid);
  });

  it('is a command beside the running service', async () => {
    const { DATABASE_URL, DATA_DIR } = { DATABASE_URL: t.database.adminUrl, DATA_DIR: t.database.env.dataDir };
    const env = { PATH: process.env['PATH'], ...testEnv({ DATABASE_URL, DATA_DIR }) };
    const run = (...args: string[]) =>
      execute(process.execPath, [path.resolve('dist/src/cli.js'), 'keys:rotate', ...args], { env });
    const { stdout } = await run('tenant', '--now');
    const kid = /The key (\S+) signs tenant tokens from/.exec(stdout)?.[1];
    await expect.poll(() => both(newKid), withinASecond).toEqual([kid, kid]);
    const revoked = await run('tenant', '--revoke');
    expect(revoked.stdout).toContain('given out before are void');
    const only = /The key (\S+) signs/.exec(revoked.stdout)?.[1];
    await expect.poll(() => both(kids), withinASecond).toEqual([[only], [only]]);
    const later = await run('platform');
    const [, announced, from] = /The key (\S+) signs platform tokens from (\S+)\./.exec(later.stdout) ?? [];
    await expect.poll(async () => (await kids(other, 'platform')).includes(announced), withinASecond).toBe(true);
    expect(new Date(from!).getTime() - Date.now()).toBeGreaterThan(4 * 60_000);
    expect(kidOf((await signInAdmin(t)).accessToken)).not.toBe(announced);
    for (const wrong of [[], ['nobody'], ['tenant', '--later']]) {
      await expect(run(...wrong)).rejects.toThrow(/Usage: /);
    }
  });
});
