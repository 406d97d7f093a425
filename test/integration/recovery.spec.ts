import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { loginPassword, prepareDatabase, ROLE_KINDS, rolesOf, scramVerifier } from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { TenantBackups } from '../../src/tenant/index.js';
import { runCommand } from '../kit/command-line.js';
import { move } from '../kit/moves.js';
import { machineHas } from '../kit/needs.js';
import { dump, dumpToSql, findPgDump, restore } from '../kit/pg-dump.js';
import { placeTenant } from '../kit/places.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { createScratch, runSql, type Scratch } from '../kit/scratch-server.js';
import { bearer, type SignedIn, signInAs } from '../kit/sign-in.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv, withDatabase } from '../kit/test-env.js';

const external = process.env['TEST_DATABASE_URL'] || undefined;
const pgDump = findPgDump();
const able =
  machineHas(external, 'set TEST_DATABASE_URL to a superuser URL of a PostgreSQL 15 or newer for the recovery tests') &&
  machineHas(pgDump, 'install postgresql-client, or set PG_DUMP to the path of pg_dump, for the recovery tests');

/** With users; the first stays in shared tables, the others go into a schema and a database. */
const PEOPLED = ['acme', 'globex', 'initech'] as const;
const TENANTS = [...PEOPLED, 'hooli'] as const;
const ANOTHER_KEY = 'another-master-key-of-32-characters-or-so';

describe.skipIf(!able)('an installation whose server is lost', () => {
  let folder: string;
  let lost: Scratch;
  let found: Scratch;
  let t: TestApp;
  let installation: string;
  /** Of a session of each tenant, opened before. */
  const sessions = new Map<string, string>();
  const people = new Map<string, SignedIn>();
  let backup: string;
  let databases: string[];
  const file = (name: string): string => path.join(folder, `${name}.dump`);
  const variables = (at: Scratch, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv =>
    testEnv({ ...ROOT_ENV, DATABASE_URL: at.url, DEMO: 'on', DATA_DIR: folder, BACKUP_DIR: folder, ...more });
  const envOf = (at: Scratch, more?: NodeJS.ProcessEnv): Env => parseEnv(variables(at, more));
  const recover = (...args: string[]) => runCommand(variables(found), 'recover', ...args, '--json');

  async function start(at: Scratch, more?: NodeJS.ProcessEnv): Promise<TestApp> {
    const env = envOf(at, more);
    const prepared = await prepareDatabase(env, MIGRATIONS);
    return serveTestApp({
      env,
      prepared,
      adminUrl: at.adminUrl,
      admin: (sql, values) => at.admin(sql, values),
      placed: (sql) => sql,
      keepSpares: () => Promise.resolve(),
      drop: () => prepared.stop(),
    });
  }

  const messages = async (slug: string): Promise<string[]> => {
    const headers = { 'x-tenant-id': slug, authorization: `Session ${sessions.get(slug)}` };
    const { json } = await t.request('GET', '/api/sessions/current/messages', { headers });
    return json.items.map((item: { content: string }) => item.content);
  };

  /** Databases and roles of the installation, wherever they came from. */
  async function dropAll(tag: string): Promise<void> {
    const named = await runSql(external!, 'SELECT datname AS name FROM pg_database WHERE strpos(datname, $1) > 0', [
      tag,
    ]);
    for (const { name } of named as { name: string }[]) await runSql(external!, `DROP DATABASE "${name}" WITH (FORCE)`);
    const roles = await runSql(external!, 'SELECT rolname AS name FROM pg_roles WHERE strpos(rolname, $1) > 0', [tag]);
    for (const { name } of roles as { name: string }[]) await runSql(external!, `DROP ROLE "${name}"`);
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-recovery-'));
    lost = await createScratch(external!);
    t = await start(lost, { WARM_DATABASES: '1' });
    installation = t.database.prepared.roles.installation;
    const admin = await signInAdmin(t);
    expect(await move(admin, 'globex', { isolation: 'schema' })).toMatchObject({ state: 'done' });
    expect(await move(admin, 'initech', { isolation: 'database' })).toMatchObject({ state: 'done' });
    const wishes = { isolation: 'schema', login: true, settings: { 'chat.public': true, model: 'mock-1' } };
    expect((await createTenant(admin, 'hooli', wishes)).status).toBe(201);
    expect((await untilStatus(admin, 'hooli', 'active', 'failed')).status).toBe('active');
    for (const slug of TENANTS) {
      const session = await t.session(slug);
      sessions.set(slug, session);
      const body = { tenant_id: slug, session_id: session, message: `a word of ${slug}` };
      expect((await t.request('POST', '/chat', { body })).status).toBe(200);
    }
    for (const slug of PEOPLED) {
      people.set(slug, await signInAs(t, slug, `owner@${slug}.example`, t.database.env.demoPassword));
    }
    const spares = () => lost.admin(`SELECT 1 FROM platform.places WHERE state = 'spare'`);
    await vi.waitFor(async () => expect(await spares()).toHaveLength(1), { timeout: 20_000 });
    const backups = t.app.get(TenantBackups);
    const made = await t.app.get(TenantRunner).runAsPlatform('test', async () => {
      return backups.make((await backups.begin('initech')).id);
    });
    backup = made!.id;
    const places = await lost.admin<{ name: string }>(
      `SELECT name FROM platform.places WHERE kind = 'database' AND state = 'used'`,
    );
    databases = places.map(({ name }) => name);
    expect(databases).toHaveLength(1);
    await t.close();

    await dump(pgDump!, lost.adminUrl, file('control'));
    for (const name of databases) await dump(pgDump!, withDatabase(external!, name), file(name));
    await dropAll(lost.tag);
    expect(await lost.roles()).toEqual([]);
    found = await createScratch(external!, undefined, 'found');
    await dumpToSql(pgDump!, file('control'), `${file('control')}.sql`);
  });
  afterAll(async () => {
    await t?.close();
    await found?.drop();
    await dropAll(lost.tag);
    await rm(folder, { recursive: true, force: true });
  });

  it('gets no roles under another MASTER_KEY, nor from what is no dump of it', async () => {
    const wrong = variables(found, { MASTER_KEY: ANOTHER_KEY });
    const refused = await runCommand(wrong, 'recover', 'roles', `${file('control')}.sql`, '--json');
    expect([refused.code, refused.problem.detail]).toEqual([7, expect.stringContaining('MASTER_KEY is not the one')]);
    await dumpToSql(pgDump!, file(databases[0]!), `${file('tenant')}.sql`);
    const other = await recover('roles', `${file('tenant')}.sql`);
    expect([other.code, other.problem.detail]).toEqual([7, expect.stringContaining('not the dump of a control plane')]);
    expect(await lost.roles()).toEqual([]);
  });

  it('gets its roles from MASTER_KEY, then its control plane from the dump', async () => {
    for (let twice = 0; twice < 2; twice += 1) {
      const made = await recover('roles', `${file('control')}.sql`);
      expect(made.code, made.stderr).toBe(0);
      expect(made.json).toMatchObject({ installation });
      // Five of the installation, and that of the schema that has one.
      expect(made.json.roles).toHaveLength(6);
    }
    await restore(pgDump!, file('control'), found.adminUrl);
  });

  it('does not start under another MASTER_KEY, and says so', async () => {
    const starting = prepareDatabase(envOf(found, { MASTER_KEY: ANOTHER_KEY }), MIGRATIONS);
    await expect(starting).rejects.toThrow(/MASTER_KEY/);
  });

  it('is told which places are to be restored, and which nobody knows', async () => {
    const before = await recover('places');
    expect(before.code, before.stderr).toBe(12);
    const states = (json: { items: { name: string; state: string }[] }) =>
      new Map(json.items.map(({ name, state }) => [name, state]));
    expect([...states(before.json).values()].sort()).toEqual(['empty', 'there', 'there', 'unused']);
    expect(states(before.json).get(databases[0]!)).toBe('empty');
    await restore(pgDump!, file(databases[0]!), withDatabase(external!, databases[0]!));

    const stray = `${installation}_t_00000000deadbeef`;
    await runSql(external!, `CREATE DATABASE ${stray}`);
    const strayed = await recover('places');
    expect([strayed.code, states(strayed.json).get(stray)]).toEqual([12, 'unknown']);
    await runSql(external!, `DROP DATABASE ${stray}`);
    const after = await recover('places');
    expect(after.code, after.stderr).toBe(0);
    expect([...states(after.json).values()].sort()).toEqual(['there', 'there', 'there', 'unused']);
  });

  it('has roles whose passwords are those that its root key gives', async () => {
    const { keys } = await prepareDatabase(envOf(found), MIGRATIONS, { asItIs: true });
    const roles = rolesOf(installation, keys);
    const rows = (await runSql(
      external!,
      'SELECT rolname AS name, rolpassword AS verifier FROM pg_authid WHERE strpos(rolname, $1) > 0',
      [installation],
    )) as { name: string; verifier: string }[];
    // Five of the installation, and two of tenants. The server lets anybody in from here, so they are compared.
    expect(rows).toHaveLength(7);
    for (const { name, verifier } of rows) {
      const kind = ROLE_KINDS.find((one) => roles.name(one) === name);
      const password = kind ? roles.password(kind) : loginPassword(name, keys);
      const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier) ?? [];
      expect(scramVerifier(password, Buffer.from(salt!, 'base64'), Number(iterations)), name).toBe(verifier);
    }
  });

  it('serves every tenant its own rows again', async () => {
    t = await start(found);
    expect(t.database.prepared.roles.installation).toBe(installation);
    for (const slug of TENANTS) expect(await messages(slug)).toContain(`a word of ${slug}`);
    const body = { tenant_id: 'globex', session_id: sessions.get('initech'), message: 'whose is it?' };
    expect((await t.request('POST', '/chat', { body })).status).toBe(403);
    for (const slug of TENANTS) {
      const more = { tenant_id: slug, session_id: sessions.get(slug), message: 'and another' };
      expect((await t.request('POST', '/chat', { body: more })).status).toBe(200);
    }
  });

  it('knows its people, and opens what was sealed', async () => {
    for (const slug of PEOPLED) {
      const email = `owner@${slug}.example`;
      // Signed before with a key that is sealed under MASTER_KEY.
      const before = people.get(slug)!;
      expect((await bearer(t, slug, before.accessToken).get('/api/auth/me')).json).toMatchObject({ email });
      const now = await signInAs(t, slug, email, t.database.env.demoPassword);
      expect((await now.get('/api/auth/me')).json).toMatchObject({ email });
    }
    const verified = await t.app.get(TenantRunner).runAsPlatform('test', () => t.app.get(TenantBackups).verify(backup));
    expect(verified).toMatchObject({ id: backup, state: 'done' });
  });

  it('makes new tenants, of every isolation', async () => {
    const admin = await signInAdmin(t);
    for (const isolation of ['shared', 'schema', 'database'] as const) {
      await placeTenant(admin, `new-${isolation}`, { isolation });
      expect(await t.session(`new-${isolation}`)).toBeTruthy();
    }
    // The spare database of before is not there, and was given to nobody.
    const left = () => found.admin(`SELECT 1 FROM platform.places WHERE state = 'dropping'`);
    await vi.waitFor(async () => expect(await left()).toEqual([]), { timeout: 20_000 });
  });
});
