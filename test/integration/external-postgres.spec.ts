import pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import {
  DatabaseSetupError,
  prepareDatabase,
  type PreparedDatabase,
  ROLE_KINDS,
  type RoleKind,
  snapshotCatalog,
} from '../../src/database/index.js';
import { type Env, parseEnv } from '../../src/env/index.js';
import { machineHas } from '../kit/needs.js';
import { startOldPostgres } from '../kit/old-postgres.js';
import { createScratch, runSql, type Scratch, type ScratchUser } from '../kit/scratch-server.js';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';

const external = process.env['TEST_DATABASE_URL'] || undefined;
const hint = 'set TEST_DATABASE_URL to a superuser URL of a PostgreSQL 15 or newer for the external-postgres tests';
const servers: [string, string][] = [['the embedded server', inject('adminUrl')]];
if (machineHas(external, hint)) servers.push(['the server of TEST_DATABASE_URL', external]);

const envOf = (url: string, more: NodeJS.ProcessEnv = {}): Env =>
  parseEnv(testEnv({ DATABASE_URL: url, DEMO: 'on', ...more }));
const prepare = (url: string, more?: NodeJS.ProcessEnv): Promise<PreparedDatabase> =>
  prepareDatabase(envOf(url, more), MIGRATIONS);

async function refusal(starting: Promise<unknown>): Promise<DatabaseSetupError> {
  const error: unknown = await starting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatabaseSetupError);
  return error as DatabaseSetupError;
}

/** Everything of an installation that a start could change. */
async function stateOf(scratch: Scratch): Promise<unknown> {
  const client = new pg.Client({ connectionString: scratch.adminUrl });
  await client.connect();
  try {
    const catalog = await snapshotCatalog(client, scratch.tag);
    const ask = async (sql: string) => (await client.query(sql, [scratch.tag])).rows as unknown[];
    return {
      catalog,
      roles: await ask('SELECT * FROM pg_authid WHERE strpos(rolname, $1) > 0 ORDER BY rolname'),
      settings: await ask(
        'SELECT s.* FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE strpos(r.rolname, $1) > 0 ORDER BY setrole',
      ),
      access: await ask('SELECT datacl::text FROM pg_database WHERE strpos(datname, $1) > 0'),
      key: await ask('SELECT *, $1 AS tag FROM platform.installation'),
    };
  } finally {
    await client.end();
  }
}

describe.each(servers)('on %s', (_, server) => {
  const drops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const drop of drops.splice(0).reverse()) await drop();
  });

  async function scratch(user?: ScratchUser, prefix?: string): Promise<Scratch> {
    const made = await createScratch(server, user, prefix);
    drops.push(() => made.drop());
    return made;
  }

  /** Starts the application; `close` leaves the database where it is. */
  async function start(at: Scratch, url = at.url): Promise<TestApp> {
    const prepared = await prepare(url);
    const t = await serveTestApp({
      env: envOf(url),
      prepared,
      adminUrl: at.adminUrl,
      admin: (sql, values) => at.admin(sql, values),
      placed: (sql) => sql,
      keepSpares: () => Promise.resolve(),
      drop: () => prepared.stop(),
    });
    drops.push(() => t.close());
    return t;
  }

  const chat = (t: TestApp, tenant: string, session: string, message: string) =>
    t.request('POST', '/chat', { body: { tenant_id: tenant, session_id: session, message } });

  async function history(t: TestApp, tenant: string, session: string): Promise<string[]> {
    const headers = { 'x-tenant-id': tenant, authorization: `Session ${session}` };
    const { json } = await t.request('GET', '/api/sessions/current/messages', { headers });
    return json.items.map((item: { content: string }) => item.content);
  }

  /** A session of acme's, of which globex can make nothing. */
  async function expectToServe(t: TestApp): Promise<string> {
    const session = await t.session('acme');
    expect(await chat(t, 'acme', session, 'hello')).toMatchObject({ status: 200 });
    expect(await chat(t, 'globex', session, 'hello')).toMatchObject({ status: 403 });
    expect(await history(t, 'acme', session)).toContain('hello');
    return session;
  }

  it('a superuser sets up a database of any name, and a restart changes nothing', async () => {
    const at = await scratch(undefined, 'Odd "née" name');
    const first = await start(at);
    const session = await expectToServe(first);
    const before = await stateOf(at);
    await first.app.close();
    const second = await start(at);
    expect(await history(second, 'acme', session)).toContain('hello');
    await expectToServe(second);
    expect(await stateOf(at)).toEqual(before);
  });

  it('four processes may be the first at once', async () => {
    const at = await scratch();
    const started = await Promise.all(Array.from({ length: 4 }, () => prepare(at.url)));
    expect(new Set(started.map(({ roles }) => roles.installation)).size).toBe(1);
    expect(await at.roles()).toHaveLength(ROLE_KINDS.length);
  });

  it('each role is itself, however DATABASE_URL names its user', async () => {
    const at = await scratch();
    const { username, password, hostname, port, pathname } = new URL(at.url);
    const login = `user=${username}&password=${password}`;
    for (const url of [
      at.url,
      `postgres://${hostname}:${port}${pathname}?${login}`,
      `postgres://${pathname}?host=${hostname}&port=${port}&${login}`,
    ]) {
      const prepared = await prepare(url);
      for (const kind of ROLE_KINDS) {
        for (const direct of [true, false]) {
          const rows = await runSql(prepared.url(kind, direct), 'SELECT current_user AS name');
          expect(rows).toEqual([{ name: prepared.roles.name(kind) }]);
        }
      }
    }
  });

  it.each<[string, ScratchUser]>([
    ['owns the database', { attributes: 'CREATEROLE', owner: true }],
    [
      'may pass on CREATE on it',
      { attributes: 'CREATEROLE', grants: 'GRANT CREATE ON DATABASE <database> TO <user> WITH GRANT OPTION' },
    ],
    [
      'owns the database, which is closed to everybody else',
      { attributes: 'CREATEROLE', owner: true, grants: 'REVOKE ALL ON DATABASE <database> FROM PUBLIC' },
    ],
  ])('a user with CREATEROLE who is no superuser and %s sets up', async (_name, user) => {
    const at = await scratch(user);
    const first = await start(at);
    await expectToServe(first);
    const before = await stateOf(at);
    await first.app.close();
    await expectToServe(await start(at));
    expect(await stateOf(at)).toEqual(before);
    const member = `SELECT m.roleid::regrole::text AS role, r.rolname AS member FROM pg_auth_members m
                      JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY($1)`;
    const name = (kind: RoleKind) => first.database.prepared.roles.name(kind);
    // Who makes databases for the migrator has to be able to become it; nobody else can become anybody.
    expect(await at.admin(member, [ROLE_KINDS.map(name)])).toEqual([
      { role: name('migrator'), member: name('provisioner') },
    ]);
  });

  it.each<[string, ScratchUser]>([
    ['no rights at all', {}],
    [
      'no rights on a database closed to others',
      { grants: 'REVOKE ALL ON DATABASE <database> FROM PUBLIC; GRANT CONNECT ON DATABASE <database> TO <user>' },
    ],
    ['the database but not CREATEROLE', { owner: true }],
    ['CREATEROLE but not the database', { attributes: 'CREATEROLE' }],
    [
      'CREATEROLE, and CREATE that it may not pass on',
      { attributes: 'CREATEROLE', grants: 'GRANT CREATE ON DATABASE <database> TO <user>' },
    ],
  ])('a user with %s is told the SQL, which a superuser runs as it stands', async (_name, user) => {
    const at = await scratch(user, 'Odd "née" name');
    const before = await at.roles();
    const error = await refusal(prepare(at.url));
    expect(await at.roles()).toEqual(before);
    const sql = error.message.slice(error.message.indexOf('\n\n'));
    expect(sql.match(/^CREATE ROLE /gm)).toHaveLength(ROLE_KINDS.length);
    // Roles belong to the server: the administrator may be connected to any database of it.
    await runSql(server, sql);
    const t = await start(at);
    await expectToServe(t);
    for (const kind of ROLE_KINDS) expect(sql).not.toContain(t.database.prepared.roles.password(kind));
  });

  it('a grant that was left out of that SQL is asked for by itself', async () => {
    const at = await scratch({});
    const { message } = await refusal(prepare(at.url));
    await runSql(server, message.slice(message.indexOf('\n\n')).replace(/^GRANT CREATE .*$/m, ''));
    const again = await refusal(prepare(at.url));
    const sql = again.message.slice(again.message.indexOf('\n\n')).trim();
    expect(sql).toMatch(/^GRANT CREATE ON DATABASE \S+ TO \S+_migrator;$/);
    await runSql(server, sql);
    await prepare(at.url);
  });

  it('two installations share neither roles nor data, even under one master key', async () => {
    const [ours, theirs] = [await scratch(), await scratch()];
    const [a, b] = [await start(ours), await start(theirs)];
    const session = await expectToServe(a);
    await expectToServe(b);
    const rolesOf = (t: TestApp) => ROLE_KINDS.map((kind) => t.database.prepared.roles.name(kind));
    expect(rolesOf(a).filter((name) => rolesOf(b).includes(name))).toEqual([]);
    expect((await chat(b, 'acme', session, 'hello')).status).toBeGreaterThanOrEqual(400);

    for (const kind of ROLE_KINDS) {
      const url = new URL(a.database.prepared.url(kind));
      url.pathname = new URL(theirs.url).pathname;
      for (const table of ['platform.tenants', 'platform.installation', 'shared.chat_messages']) {
        await expect(runSql(url.toString(), `SELECT * FROM ${table}`)).rejects.toThrow(/permission denied/);
      }
    }
  });

  it('a new database under the name of one that was renamed has roles of its own', async () => {
    const at = await scratch();
    const old = await prepare(at.url);
    const renamed = `renamed_${at.tag}`;
    await runSql(server, `ALTER DATABASE ${at.name} RENAME TO ${renamed}`);
    drops.push(() => runSql(server, `DROP DATABASE ${renamed}`).then(() => undefined));
    await runSql(server, `CREATE DATABASE ${at.name}`);
    const fresh = await prepare(at.url, { MASTER_KEY: 'another-master-key-of-at-least-32-characters' });
    expect(fresh.roles.installation).not.toBe(old.roles.installation);
    const again = await prepare(at.url.replace(at.name, renamed));
    expect(again.roles.installation).toBe(old.roles.installation);
  });

  it('another MASTER_KEY is refused and changes nothing, pending migrations included', async () => {
    const at = await scratch();
    await (await prepare(at.url)).stop();
    const before = await stateOf(at);
    const wrong = envOf(at.url, { MASTER_KEY: 'another-master-key-of-at-least-32-characters' });
    const pending = [...MIGRATIONS, { schema: 'shared' as const, migrations: [AddStray1893456000000] }];
    const error = await refusal(prepareDatabase(wrong, pending));
    expect(error.message).toContain('MASTER_KEY');
    expect(await stateOf(at)).toEqual(before);
    await prepareDatabase(envOf(at.url), pending);
    expect(await stateOf(at)).not.toEqual(before);
  });
});

describe('a server older than PostgreSQL 15', () => {
  it('is refused before it is asked for anything but its version', async () => {
    const old = await startOldPostgres(140_013);
    try {
      const error = await refusal(prepare(old.url));
      expect(error.message).toContain('older than PostgreSQL 15');
      expect(old.statements).toEqual([expect.stringContaining('server_version_num')]);
    } finally {
      old.close();
    }
  });
});

class AddStray1893456000000 implements MigrationInterface {
  name = 'AddStray1893456000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE stray (id uuid)');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE stray');
  }
}
