import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { MaxLength } from 'class-validator';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { KeyRing } from '../../src/common/index.js';
import {
  masterKeyId,
  openRoot,
  prepareDatabase,
  readNote,
  ROLE_KINDS,
  rolesOf,
  scramVerifier,
} from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { SecretVault, TenantKeys } from '../../src/secrets/index.js';
import { declareSecret } from '../../src/settings/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { type Outcome, runCommand, startCommand } from '../kit/command-line.js';
import { createScratch, type Scratch } from '../kit/scratch-server.js';
import { bearer, type SignedIn, signIn } from '../kit/sign-in.js';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';
import { post, startProcess, type TestProcess } from '../kit/test-process.js';

const OLD = 'the-old-master-key-of-more-than-32-characters';
const NEW = 'the-new-master-key-of-more-than-32-characters';
const WRONG = 'a-wrong-master-key-of-more-than-32-characters';
const NOTE = `SELECT obj_description('platform.installation'::regclass, 'pg_class') AS note`;

const API_KEY = declareSecret({
  key: 'spec.rotated_key',
  description: 'A key.',
  rules: [MaxLength(100)],
  allowed: 'a text',
  changedBy: 'owner',
});

async function noteOf(at: Scratch): Promise<string> {
  return (await at.admin<{ note: string }>(NOTE))[0]!.note;
}

const idsOf = async (at: Scratch): Promise<string[]> => readNote(await noteOf(at))!.map(({ keyId }) => keyId);

describe('the MASTER_KEY of an installation under traffic', () => {
  let at: Scratch;
  let folder: string;
  const apps: TestApp[] = [];
  const traffic: { stop: () => Promise<string[]> }[] = [];
  const variables = (masterKey: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv =>
    testEnv({
      DATABASE_URL: at.url,
      DEMO: 'on',
      DATA_DIR: folder,
      MASTER_KEY: masterKey,
      TRUSTED_PROXIES: '127.0.0.1',
      ...more,
    });
  const envOf = (masterKey: string): Env => parseEnv(variables(masterKey));
  const prepare = (masterKey: string) => prepareDatabase(envOf(masterKey), MIGRATIONS);
  const command = (...args: string[]): Promise<Outcome> =>
    runCommand(variables(NEW, { MASTER_KEY_PREVIOUS: OLD }), 'master-key', ...args, '--json');

  async function start(masterKey: string): Promise<TestApp> {
    const env = envOf(masterKey);
    const prepared = await prepareDatabase(env, MIGRATIONS);
    const t = await serveTestApp({
      env,
      prepared,
      adminUrl: at.adminUrl,
      admin: (sql, values) => at.admin(sql, values),
      placed: (sql) => sql,
      keepSpares: () => Promise.resolve(),
      drop: () => prepared.stop(),
    });
    apps.push(t);
    return t;
  }

  /** Chats, signs in, and writes and reads a secret, over and over. */
  function load(t: TestApp, tenant: string): { rounds: () => number; stop: () => Promise<string[]> } {
    const failures: string[] = [];
    let rounds = 0;
    let stopped = false;
    const round = async (): Promise<void> => {
      const session = await t.session(tenant);
      const body = { tenant_id: tenant, session_id: session, message: `round ${rounds}` };
      const answer = await t.request('POST', '/chat', { body });
      if (answer.status !== 200) throw new Error(answer.text);
      // Each time from elsewhere: guesses from one address are few.
      const from = { 'x-tenant-id': tenant, 'x-forwarded-for': `10.0.${rounds >> 8}.${rounds & 255}` };
      const login = { email: `owner@${tenant}.example`, password: 'demo-password' };
      const signed = await t.request('POST', '/api/auth/login', { headers: from, body: login });
      if (signed.status !== 200) throw new Error(signed.text);
      const owner = bearer(t, tenant, signed.json.access_token);
      const text = `${tenant} ${rounds}`;
      const written = await owner.send('PUT', `/api/config/${API_KEY.key}`, { value: text });
      if (written.status !== 200) throw new Error(written.text);
      const read = await opened(t, tenant);
      if (read !== text) throw new Error(`read ${read}, wrote ${text}`);
    };
    const running = (async () => {
      for (; !stopped; rounds += 1) await round().catch((error: unknown) => failures.push(String(error)));
    })();
    const stop = async (): Promise<string[]> => {
      stopped = true;
      await running;
      return failures;
    };
    traffic.push({ stop });
    return { rounds: () => rounds, stop };
  }

  async function opened(t: TestApp, slug: string): Promise<string | undefined> {
    const tenant = await t.tenant(slug);
    return t.app.get(TenantRunner).run(tenant, () => t.app.get(SecretVault).open(API_KEY));
  }

  const meanwhile = async (...loads: { rounds: () => number }[]): Promise<void> => {
    const before = loads.map(({ rounds }) => rounds());
    await expect.poll(() => loads.every(({ rounds }, index) => rounds() > before[index]! + 1)).toBe(true);
  };

  beforeAll(async () => {
    at = await createScratch(inject('adminUrl'));
    folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-master-key-'));
  });
  afterAll(async () => {
    for (const { stop } of traffic) await stop();
    for (const t of apps) await t.close();
    await at.drop();
    await rm(folder, { recursive: true, force: true });
  });

  let old: TestApp;
  let fresh: TestApp;
  let acme: ReturnType<typeof load>;
  let globex: ReturnType<typeof load>;
  /** Of acme, opened while only the old key was known; so was what the owner signed in with. */
  let session: string;
  let owner: SignedIn;

  it('is refused when it is wrong, with both ids and with what to do, and nothing is changed', async () => {
    old = await start(OLD);
    acme = load(old, 'acme');
    session = await old.session('acme');
    // Of a tenant in which nobody else signs in, who would end the oldest of too many.
    owner = await signIn(old, 'initech', 'owner');
    const before = await noteOf(at);
    for (const wrong of [NEW, WRONG]) {
      const refused = prepare(wrong);
      await expect(refused).rejects.toThrow(`its id is ${masterKeyId(wrong)}, and accepted is ${masterKeyId(OLD)}`);
      await expect(refused).rejects.toThrow(/MASTER_KEY_PREVIOUS/);
    }
    const told = await runCommand(variables(NEW, { MASTER_KEY_PREVIOUS: WRONG }), 'master-key', 'rotate', '--json');
    expect([told.code, told.problem.code]).toEqual([7, 'database_unavailable']);
    expect(await noteOf(at)).toBe(before);
  });

  it('is in no copy in the clear, nor is what it wraps', async () => {
    const note = await noteOf(at);
    const [copy] = readNote(note)!;
    expect(copy!.keyId).toBe(masterKeyId(OLD));
    expect(note).not.toContain(OLD);
    // The first start had nowhere else to keep it.
    await old.app.get(TenantKeys).find('00000000-0000-0000-0000-000000000000');
    await prepare(OLD);
    const staged = `SELECT shobj_description(oid, 'pg_authid') AS note FROM pg_roles WHERE strpos(rolname, $1) > 0`;
    for (const { note: left } of await at.admin<{ note: string | null }>(staged, [at.tag])) expect(left).toBeNull();
  });

  it('is as before when its replacement is killed half-way, and replaced when that is run again', async () => {
    const installation = old.database.prepared.roles.installation;
    const holder = new pg.Client({ connectionString: at.adminUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`tenantry:root-copies:${installation}`]);
    const env = variables(NEW, { MASTER_KEY_PREVIOUS: OLD });
    const killed = startCommand(env, 'master-key', 'rotate', '--json');
    const waiting = `SELECT count(*)::int AS count FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                      WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()`;
    await expect.poll(async () => (await at.admin<{ count: number }>(waiting))[0]!.count).toBeGreaterThan(0);
    killed.child.kill('SIGKILL');
    await killed.outcome;
    await holder.end();
    expect(await idsOf(at)).toEqual([masterKeyId(OLD)]);

    const [one, two] = await Promise.all([command('rotate'), command('rotate')]);
    expect([one.code, two.code], one.stderr + two.stderr).toEqual([0, 0]);
    const again = await command('rotate');
    expect(again.json).toEqual({ id: masterKeyId(NEW), added: false, accepted: [OLD, NEW].map(masterKeyId) });
    expect((await command('list')).json.items).toEqual([
      { id: masterKeyId(OLD), current: false },
      { id: masterKeyId(NEW), current: true },
    ]);
    await meanwhile(acme);
  });

  it('lets processes that know only the old or only the new one serve side by side', async () => {
    fresh = await start(NEW);
    globex = load(fresh, 'globex');
    await meanwhile(acme, globex);
    await (await prepare(OLD)).stop();
    // What one gave out or sealed, the other takes.
    const body = { tenant_id: 'acme', session_id: session, message: 'to the new one' };
    expect((await fresh.request('POST', '/chat', { body })).status).toBe(200);
    expect((await bearer(fresh, 'initech', owner.accessToken).get('/api/auth/me')).status).toBe(200);
    for (const [from, to, slug] of [
      [old, fresh, 'initech'],
      [fresh, old, 'umbrella'],
    ] as const) {
      if (slug === 'umbrella') await from.import([{ slug }]);
      // A tenant that had no data key yet.
      const { id } = await from.tenant(slug);
      const key = await from.app.get(TenantKeys).findOrCreate(id);
      expect(await to.app.get(TenantKeys).find(id)).toEqual(key);
    }
  });

  it('opens nothing once it is retired, while nobody notices', async () => {
    const retired = await command('retire');
    expect(retired.code, retired.stderr).toBe(0);
    expect(retired.json).toEqual({ id: masterKeyId(NEW), retired: [masterKeyId(OLD)] });
    expect((await command('retire')).json).toEqual({ id: masterKeyId(NEW), retired: [] });
    await meanwhile(acme, globex);
    expect(await idsOf(at)).toEqual([masterKeyId(NEW)]);
    const copies = readNote(await noteOf(at))!;
    const { installation } = old.database.prepared.roles;
    expect(() => openRoot(installation, copies, { current: OLD, previous: undefined })).toThrow(/is not the one/);
    expect(() => openRoot('another', copies, { current: NEW, previous: undefined })).toThrow(/was changed/);
    await expect(prepare(OLD)).rejects.toThrow(/MASTER_KEY is not the one of this installation/);
    await (await prepare(NEW)).stop();
    const back = await runCommand(variables(OLD), 'master-key', 'rotate', '--json');
    expect(back.code).toBe(7);
  });

  it('was replaced without one request that failed, and the audit log says when', async () => {
    expect(await Promise.all([acme.stop(), globex.stop()])).toEqual([[], []]);
    expect(await opened(fresh, 'acme')).toBe(await opened(old, 'acme'));
    const events = await at.admin<{ event: string; target_id: string }>(
      `SELECT event, target_id FROM platform.audit_events WHERE event LIKE 'master_key.%' ORDER BY id`,
    );
    expect(events.map(({ event }) => event)).toContain('master_key.accepted');
    expect(events.at(-1)).toEqual({ event: 'master_key.retired', target_id: masterKeyId(NEW) });
  });
});

describe('an installation from before there were root keys', () => {
  it('keeps what derives from its MASTER_KEY, which can be replaced from then on', async () => {
    const at = await createScratch(inject('adminUrl'));
    const prepare = (more: NodeJS.ProcessEnv) =>
      prepareDatabase(parseEnv(testEnv({ DATABASE_URL: at.url, ...more })), MIGRATIONS);
    try {
      await prepare({ MASTER_KEY: OLD });
      const { installation } = (await prepare({ MASTER_KEY: OLD })).roles;
      await at.admin('COMMENT ON TABLE platform.installation IS NULL');
      await at.admin(`COMMENT ON ROLE ${installation}_migrator IS NULL`);
      const former = rolesOf(installation, new KeyRing(OLD));
      for (const kind of ROLE_KINDS) {
        await at.admin(`ALTER ROLE ${former.name(kind)} PASSWORD '${scramVerifier(former.password(kind))}'`);
      }
      await at.admin('UPDATE platform.installation SET key_fingerprint = $1', [masterKeyId(OLD)]);
      await expect(prepare({ MASTER_KEY: WRONG })).rejects.toThrow(/MASTER_KEY/);
      const taken = await prepare({ MASTER_KEY: OLD });
      // Both are of the same secret then.
      expect(taken.keys.fingerprint()).toBe(masterKeyId(OLD));
      const env = testEnv({ DATABASE_URL: at.url, MASTER_KEY: NEW, MASTER_KEY_PREVIOUS: OLD });
      expect((await runCommand(env, 'master-key', 'rotate')).code).toBe(0);
      expect((await runCommand(env, 'master-key', 'retire')).code).toBe(0);
      const now = await prepare({ MASTER_KEY: NEW });
      expect(now.keys.fingerprint()).toBe(masterKeyId(OLD));
      expect(now.roles.password('platform')).toBe(taken.roles.password('platform'));
      await expect(prepare({ MASTER_KEY: OLD })).rejects.toThrow(/MASTER_KEY is not the one/);
    } finally {
      await at.drop();
    }
  });
});

describe('the master key of DATA_DIR', () => {
  let folder: string;
  const running: TestProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-master-key-file-'));
  });
  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGTERM');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('is replaced in its file beside the running service, which a restart finds', async () => {
    const file = path.join(folder, 'master.key');
    const start = async (): Promise<TestProcess> => {
      const started = await startProcess({ DATA_DIR: folder });
      running.push(started);
      return started;
    };
    const stop = async (process: TestProcess): Promise<void> => {
      process.child.kill('SIGTERM');
      await process.exited;
    };
    const masterKey = (verb: string) =>
      runCommand(testEnv({ DATA_DIR: folder, MASTER_KEY: undefined }), 'master-key', verb, '--json');
    const first = await start();
    const before = await readFile(file, 'utf8');
    const opened = await post(first.port, '/session', { tenant_id: 'acme' });
    const { session_id } = opened.json as { session_id: string };
    const rotated = await masterKey('rotate');
    expect(rotated.code, rotated.stderr).toBe(0);
    const after = await readFile(file, 'utf8');
    expect(after).not.toBe(before);
    expect(rotated.json.accepted).toEqual([before, after].map((text) => masterKeyId(text.trim())));
    expect((await masterKey('retire')).json.retired).toEqual([masterKeyId(before.trim())]);
    const body = { tenant_id: 'acme', session_id, message: 'hello' };
    expect((await post(first.port, '/chat', body)).status).toBe(200);
    await stop(first);
    const second = await start();
    expect((await post(second.port, '/chat', body)).status).toBe(200);
    await stop(second);
    await writeFile(file, before);
    await expect(start()).rejects.toThrow(/DATA_DIR\/master\.key/);
  });
});
