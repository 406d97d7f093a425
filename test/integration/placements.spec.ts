import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeadEvents, Outbox, OutboxFailure, OutboxHandlers } from '../../src/outbox/index.js';
import {
  DEFAULT_SERVER,
  type Placement,
  PlacementUnavailable,
  TenantContext,
  TenantDataSource,
  TenantDirectory,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { TenantPurge } from '../../src/tenant/index.js';
import { runSql } from '../kit/scratch-server.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { addServer, placeTenant } from '../kit/places.js';
import { startProxy } from '../kit/tcp-proxy.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { withDatabase } from '../kit/test-env.js';

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
});
afterAll(() => t.close());

const eventually = { timeout: 15_000, interval: 20 };
const open = { 'chat.public': true, model: 'mock-1' };

async function create(slug: string, isolation: string) {
  const answer = await createTenant(admin, slug, { isolation, settings: open });
  expect(answer.status, answer.text).toBe(201);
  expect(answer.json).toMatchObject({ isolation, server: DEFAULT_SERVER });
  return untilStatus(admin, slug, 'active', 'failed');
}

async function chats(slug: string, message: string): Promise<string> {
  const session = await t.session(slug);
  const answer = await t.request('POST', '/chat', { body: { tenant_id: slug, session_id: session, message } });
  expect(answer.status, answer.text).toBe(200);
  return session;
}

async function mailsAbout(text: string): Promise<number> {
  const folder = path.join(t.database.env.dataDir, 'mail');
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  const mails = files.filter((name) => name.endsWith('.eml')).map((name) => readFile(path.join(folder, name), 'utf8'));
  return (await Promise.all(mails)).filter((mail) => mail.includes(text)).length;
}

const placementOf = async (slug: string): Promise<Placement> => (await t.tenant(slug)).placement;

/** Rows of a table at the tenant's own place, seen by the superuser. */
async function rowsAt(placement: Placement, table: string): Promise<unknown[]> {
  const url =
    placement.kind === 'database' ? withDatabase(t.database.adminUrl, placement.database) : t.database.adminUrl;
  const schema = placement.kind === 'schema' ? placement.schema : 'shared';
  return runSql(url, `SELECT * FROM ${schema}.${table}`);
}

describe.each(['schema', 'database'] as const)('a tenant in a %s of its own', (isolation) => {
  const slug = `own-${isolation}`;
  it('is made, served, and kept in its own place alone', async () => {
    const made = await create(slug, isolation);
    expect(made).toMatchObject({ status: 'active', isolation });
    // The owner's invitation: an event of the tenant's own outbox.
    await expect.poll(() => mailsAbout(slug), eventually).toBe(1);
    await chats(slug, 'canary');
    const placement = await placementOf(slug);
    expect(placement.kind).toBe(isolation);
    expect(await rowsAt(placement, 'chat_messages')).toHaveLength(2);
    const { id } = await t.tenant(slug);
    for (const table of ['chat_messages', 'chat_sessions', 'audit_events', 'outbox_events', 'invitations']) {
      const shared = await t.database.admin(`SELECT 1 FROM shared.${table} WHERE tenant_id = $1`, [id]);
      expect([table, shared]).toEqual([table, []]);
    }
  });

  it('has its events handled; what fails is tried again, and what is given up is listed and retried', async () => {
    const tenant = await t.tenant(slug);
    const as = <T>(fn: () => Promise<T>) => t.app.get(TenantRunner).run(tenant, fn);
    const seen: unknown[] = [];
    const type = `test.${isolation}`;
    t.app.get(OutboxHandlers).register(type, async ({ payload, attempt }) => {
      seen.push([t.app.get(TenantContext).current()?.slug, payload, attempt]);
      if (attempt === 1) throw new Error('try again');
      if (payload === 'hopeless') throw new OutboxFailure('hopeless', true);
      await Promise.resolve();
    });
    await as(() => t.app.get(Outbox).add(type, 'hello'));
    await expect
      .poll(() => seen, eventually)
      .toEqual([
        [slug, 'hello', 1],
        [slug, 'hello', 2],
      ]);
    await expect.poll(() => rowsAt(tenant.placement, 'outbox_events'), eventually).toEqual([]);
    const id = await as(() => t.app.get(Outbox).add(type, 'hopeless'));
    const listed = async () => (await t.app.get(DeadEvents).list(10)).items.map((event) => event.id);
    await expect.poll(listed, eventually).toEqual([id]);
    await t.app.get(DeadEvents).retry(id);
    await expect.poll(() => seen.length, eventually).toBeGreaterThanOrEqual(5);
    await expect.poll(listed, eventually).toEqual([id]);
  });

  it('does not see others, nor they it', async () => {
    const session = await chats('acme', 'hello');
    const own = await chats(slug, 'hello');
    const foreign = await t.request('POST', '/chat', { body: { tenant_id: slug, session_id: session, message: 'x' } });
    expect(foreign.status).toBe(403);
    const back = await t.request('POST', '/chat', { body: { tenant_id: 'acme', session_id: own, message: 'x' } });
    expect(back.status).toBe(403);
  });

  it('is erased with its place', async () => {
    const placement = await placementOf(slug);
    const { id } = await t.tenant(slug);
    const at = `/api/admin/tenants/${slug}`;
    expect((await admin.send('POST', `${at}/archive`)).status).toBe(200);
    await t.database.admin(`UPDATE platform.tenants SET purge_after = now() WHERE id = $1`, [id]);
    await t.app.get(TenantPurge).runDue();
    expect(await t.database.admin('SELECT 1 FROM platform.places WHERE tenant_id = $1', [id])).toEqual([]);
    const left =
      placement.kind === 'schema'
        ? await t.database.admin('SELECT 1 FROM pg_namespace WHERE nspname = $1', [placement.schema])
        : placement.kind === 'database'
          ? await t.database.admin(
              'SELECT datname FROM pg_database WHERE datname = $1 UNION SELECT rolname FROM pg_roles WHERE rolname = $2',
              [placement.database, placement.login],
            )
          : [1];
    expect(left).toEqual([]);
    expect((await t.app.get(TenantDirectory).findById(id))?.status).toBe('deleted');
  });
});

describe('a place that is not as it should be', () => {
  const end = (database: string) =>
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`;
  const ask = (slug: string) => t.request('POST', '/session', { body: { tenant_id: slug } });

  it('fails its own tenant alone when it cannot be reached, and serves again when it can', async () => {
    await create('lost', 'database');
    await chats('lost', 'before');
    const { database, login } = (await placementOf('lost')) as Extract<Placement, { kind: 'database' }>;
    await runSql(t.database.adminUrl, `REVOKE CONNECT ON DATABASE ${database} FROM ${login}`);
    await runSql(t.database.adminUrl, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1`, [
      login,
    ]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask('lost')));
    for (const { status, json, headers } of answers) {
      expect([status, json.code, headers['retry-after']]).toEqual([503, 'placement_unavailable', '5']);
    }
    expect((await ask('acme')).status).toBe(201);
    await runSql(t.database.adminUrl, `GRANT CONNECT ON DATABASE ${database} TO ${login}`);
    await expect.poll(async () => (await ask('lost')).status, eventually).toBe(201);
  });

  it.each([
    ['gone', (database: string) => [`DROP DATABASE ${database} WITH (FORCE)`]],
    ['closed', (database: string) => [`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`, end(database)]],
    [
      'without its password',
      (database: string, login: string) => [`ALTER ROLE ${login} PASSWORD 'no longer'`, end(database)],
    ],
    ['without its login role', (database: string, login: string) => [`ALTER ROLE ${login} NOLOGIN`, end(database)]],
  ])(
    'fails its own tenant alone when it is %s, on every route, and nobody gets its data elsewhere',
    async (what, harm) => {
      const slug = `hit-${what.replaceAll(' ', '-')}`;
      await create(slug, 'database');
      const session = await chats(slug, 'before');
      const { id } = await t.tenant(slug);
      const { database, login } = (await placementOf(slug)) as Extract<Placement, { kind: 'database' }>;
      for (const statement of harm(database, login)) await runSql(t.database.adminUrl, statement);
      const message = { tenant_id: slug, session_id: session, message: 'lost' };
      const routes = () => [
        ask(slug),
        t.request('POST', '/chat', { body: message }),
        t.request('GET', `/${slug}/api/sessions/${session}`),
        t.request('POST', '/api/auth/login', {
          headers: { 'x-tenant-id': slug },
          body: { email: `owner@${slug}.example`, password: 'whatever it may be' },
        }),
      ];
      // Those whose connection is cut under them may be told so in other words.
      for (const { status, headers } of await Promise.all(routes())) {
        expect([status, headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)]);
      }
      for (const { status, json, headers } of await Promise.all([...routes(), ...routes()])) {
        expect([status, json.code, headers['retry-after']]).toEqual([503, 'placement_unavailable', '5']);
      }
      for (const other of ['acme', 'globex']) {
        const [opened, said] = [await ask(other), await chats(other, 'unharmed')];
        expect([opened.status, typeof said]).toEqual([201, 'string']);
      }
      for (const table of ['chat_sessions', 'chat_messages']) {
        expect(await t.database.admin(`SELECT 1 FROM shared.${table} WHERE tenant_id = $1`, [id])).toEqual([]);
      }
    },
  );

  it.each(['shared', 'schema', 'database'] as const)(
    'in %s tables of a server that is stopped fails its own tenant alone',
    async (isolation) => {
      const proxy = await startProxy(Number(new URL(t.database.adminUrl).port));
      const server = await addServer(t, `far${isolation}`, (url) => proxy.through(url));
      try {
        const slug = `afar-${isolation}`;
        await placeTenant(admin, slug, { isolation, server: server.name });
        await chats(slug, 'before');
        await proxy.close();
        await Promise.all([ask(slug), ask(slug)]);
        const { status, json, headers } = await ask(slug);
        expect([status, json.code, headers['retry-after']]).toEqual([503, 'placement_unavailable', '5']);
        expect((await ask('acme')).status).toBe(201);
        expect(
          await t.database.admin('SELECT 1 FROM shared.chat_sessions WHERE tenant_id = $1', [
            (await t.tenant(slug)).id,
          ]),
        ).toEqual([]);
      } finally {
        await server.drop();
      }
    },
  );

  it.each([
    ['schema', 'NO FORCE ROW LEVEL SECURITY', 'FORCE ROW LEVEL SECURITY'],
    ['database', 'DISABLE ROW LEVEL SECURITY', 'ENABLE ROW LEVEL SECURITY'],
  ])('is not served from in a %s without its row security', async (isolation, harm, mend) => {
    const slug = `harmed-${isolation}`;
    await create(slug, isolation);
    const placement = await placementOf(slug);
    const alter = async (how: string) => {
      const table = placement.kind === 'schema' ? `${placement.schema}.chat_messages` : 'shared.chat_messages';
      const url =
        placement.kind === 'database' ? withDatabase(t.database.adminUrl, placement.database) : t.database.adminUrl;
      await runSql(url, `ALTER TABLE ${table} ${how}`);
      t.app.get(TenantDataSource).connections.forget(placement);
    };
    await alter(harm);
    expect(await ask(slug)).toMatchObject({ status: 503 });
    expect((await ask('globex')).status).toBe(201);
    await alter(mend);
    expect((await ask(slug)).status).toBe(201);
  });

  it('is never another: a placement without its schema finds nothing of the shared tables', async () => {
    const acme = await t.tenant('acme');
    await chats('acme', 'in the shared tables');
    const elsewhere = { ...acme, placement: { kind: 'schema', schema: 't_0000000000000000' } as const };
    const read = t.app
      .get(TenantRunner)
      .run(elsewhere, () => t.app.get(TenantTransaction).query('SELECT 1 FROM chat_messages'));
    await expect(read).rejects.toThrow(PlacementUnavailable);
  });

  it('may be entered by its own login role alone', async () => {
    await create('fort', 'database');
    await create('neighbour', 'database');
    const [fort, neighbour] = [await placementOf('fort'), await placementOf('neighbour')] as Extract<
      Placement,
      { kind: 'database' }
    >[];
    const { prepared } = t.database;
    const own = prepared.loginUrl(fort!.login, true, fort!.database);
    expect(await runSql(own, 'SELECT 1 AS one FROM chat_messages')).toEqual([]);
    const main = new URL(t.database.adminUrl).pathname.slice(1);
    for (const other of [neighbour!.database, main]) {
      await expect(runSql(prepared.loginUrl(fort!.login, true, other), 'SELECT 1')).rejects.toThrow(
        /permission denied for database/,
      );
    }
    await expect(runSql(prepared.url('tenant', true, fort!.database), 'SELECT 1')).rejects.toThrow(/permission denied/);
    // Past its own row security it does not come either.
    const { id } = await t.tenant('fort');
    await chats('fort', 'hello');
    expect(await runSql(own, 'SELECT 1 FROM chat_messages')).toEqual([]);
    expect(await t.database.admin('SELECT 1 FROM shared.chat_messages WHERE tenant_id = $1', [id])).toEqual([]);
  });
});

describe('a tenant in a schema that a login role of its own enters', () => {
  const slug = 'own-login';
  const roleOf = async (): Promise<string> => {
    const placement = await placementOf(slug);
    if (placement.kind !== 'schema' || !placement.login) throw new Error('no login role');
    return placement.login;
  };

  it('is made on demand and served by that role; shared tables have none', async () => {
    const refused = await createTenant(admin, 'no-login', { login: true });
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([422, '/login']);
    const answer = await createTenant(admin, slug, { isolation: 'schema', login: true, settings: open });
    expect([answer.status, answer.json]).toEqual([201, expect.objectContaining({ isolation: 'schema', login: true })]);
    expect((await untilStatus(admin, slug, 'active', 'failed')).status).toBe('active');
    await chats(slug, 'hello');
    expect(await rowsAt(await placementOf(slug), 'chat_messages')).toHaveLength(2);
    const asked = await t.app
      .get(TenantRunner)
      .run(await t.tenant(slug), () =>
        t.app.get(TenantTransaction).query<{ current_user: string }>('SELECT current_user'),
      );
    expect(asked).toEqual([{ current_user: await roleOf() }]);
  });

  it('has a role that may nothing elsewhere: of all tables, schemas, databases and roles there are', async () => {
    await create('beside', 'schema');
    await create('beside-base', 'database');
    const role = await roleOf();
    const { schema } = (await placementOf(slug)) as { schema: string };
    const tables = await t.database.admin<{ name: string; rights: string[] }>(
      `SELECT n.nspname || '.' || c.relname AS name, array_agg(r) AS rights
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
              unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS r
        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', $2)
          AND has_schema_privilege($1, n.oid, 'USAGE') AND has_table_privilege($1, c.oid, r) GROUP BY 1`,
      [role, schema],
    );
    // The fence, of which it sees its own rows.
    expect(tables).toEqual([{ name: 'shared.closures', rights: ['SELECT'] }]);
    const others = await t.database.admin(
      `SELECT datname AS name FROM pg_database WHERE has_database_privilege($1, oid, 'CONNECT')
          AND datname <> current_database() AND datname LIKE $2
        UNION ALL SELECT rolname FROM pg_roles WHERE pg_has_role($1, oid, 'MEMBER') AND rolname <> $1
        UNION ALL SELECT nspname FROM pg_namespace WHERE has_schema_privilege($1, oid, 'CREATE')
        UNION ALL SELECT rolname FROM pg_roles WHERE rolname = $1
             AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`,
      [role, `${t.database.prepared.roles.installation}%`],
    );
    expect(others).toEqual([]);
  });

  it('has a role that finds its own rows alone, when it connects by itself', async () => {
    const url = t.database.prepared.loginUrl(await roleOf(), true);
    const { schema: other } = (await placementOf('beside')) as { schema: string };
    const { id } = await t.tenant('beside');
    for (const table of ['shared.users', `${other}.users`, 'platform.tenants', 'jobs.job']) {
      await expect(runSql(url, `SELECT 1 FROM ${table}`), table).rejects.toThrow('permission denied');
    }
    expect(await runSql(url, 'SELECT 1 FROM users')).toEqual([]);
    await expect(runSql(url, `SELECT shared.enter('${id}', '${other}'); SELECT 1 FROM ${other}.users`)).rejects.toThrow(
      'permission denied',
    );
  });

  it('is erased with its role', async () => {
    const role = await roleOf();
    const { id } = await t.tenant(slug);
    expect((await admin.send('POST', `/api/admin/tenants/${slug}/archive`)).status).toBe(200);
    await t.database.admin(`UPDATE platform.tenants SET purge_after = now() WHERE id = $1`, [id]);
    await t.app.get(TenantPurge).runDue();
    expect(await t.database.admin('SELECT 1 FROM platform.places WHERE tenant_id = $1', [id])).toEqual([]);
    expect(await t.database.admin('SELECT 1 FROM pg_roles WHERE rolname = $1', [role])).toEqual([]);
  });
});
