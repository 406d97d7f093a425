import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { DatabaseSetupError, prepareDatabase } from '../../src/database/index.js';
import { parseEnv } from '../../src/env/index.js';
import { type Tenant, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { TenantChanges, TenantImport } from '../../src/tenant/index.js';
import { machineHas } from '../kit/needs.js';
import { findPgBouncer, type PgBouncer, startPgBouncer } from '../kit/pgbouncer.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';
import { createInstallation } from './installation.js';

const program = findPgBouncer();
const present = machineHas(program, 'install pgbouncer, or set PGBOUNCER to its path, for the pgbouncer tests');

const SESSIONS_EACH = 4;
const ROUNDS = 30;

describe.skipIf(!present)('behind PgBouncer in transaction mode with one server connection', () => {
  let bouncer: PgBouncer;
  let t: TestApp;
  beforeAll(async () => {
    bouncer = await startPgBouncer(program!, inject('adminUrl'));
    t = await createTestApp((url) => ({ DATABASE_URL: bouncer.via(url), DATABASE_DIRECT_URL: url }));
  });
  afterAll(async () => {
    await t?.close();
    await bouncer?.stop();
  });

  /** Server connections of a role, as the pooler tells. */
  async function serverConnections(role: string): Promise<number> {
    const rows = (await runSql(bouncer.consoleUrl, 'SHOW SERVERS')) as { user: string; database: string }[];
    const { pathname } = new URL(t.database.adminUrl);
    return rows.filter((row) => row.user === role && `/${row.database}` === pathname).length;
  }

  const failing = [
    'SELECT 1 / 0',
    'SELECT nothing FROM nowhere',
    `INSERT INTO chat_messages (tenant_id, id, session_id, role, content)
       VALUES ('01900000-0000-7000-8000-00000000000a', gen_random_uuid(), gen_random_uuid(), 'user', 'smuggled')`,
    'INSERT INTO chat_sessions SELECT * FROM chat_sessions',
  ];

  it('acme and globex keep to themselves and lose nothing, while every third statement fails', async () => {
    const tenants = { acme: await t.tenant('acme'), globex: await t.tenant('globex') };
    const transaction = t.app.get(TenantTransaction);
    const as = <T>(tenant: Tenant, fn: () => Promise<T>) => t.app.get(TenantRunner).run(tenant, fn);
    const visitors = await Promise.all(
      Object.values(tenants).flatMap((tenant) =>
        Array.from({ length: SESSIONS_EACH }, async () => ({
          tenant,
          session: await t.session(tenant.slug),
          sent: [] as string[],
        })),
      ),
    );
    let failed = 0;
    const fails = async (tenant: Tenant, turn: number) => {
      const sql = failing[turn % failing.length]!;
      const single = as(tenant, () => transaction.query(sql));
      await expect(single).rejects.toThrow();
      // The failure of a unit of work must take back what the unit had written before it.
      const unit = as(tenant, () =>
        transaction.run(async () => {
          await transaction.query(`UPDATE chat_messages SET content = 'spoilt' WHERE tenant_id = $1`, [tenant.id]);
          await transaction.query(sql);
        }),
      );
      await expect(unit).rejects.toThrow();
      failed += 2;
    };
    const seen = async (tenant: Tenant) => {
      const rows = await as(tenant, () =>
        transaction.query<{ tenant_id: string }>('SELECT DISTINCT tenant_id FROM chat_messages'),
      );
      expect(rows.filter((row) => row.tenant_id !== tenant.id)).toEqual([]);
    };

    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        visitors.flatMap((visitor, index) => {
          const { tenant, session } = visitor;
          const message = `${tenant.slug} ${index} ${round}`;
          visitor.sent.push(message);
          const chat = async () => {
            const body = { tenant_id: tenant.slug, session_id: session, message };
            const answer = await t.request('POST', '/chat', { body });
            expect(answer.status, answer.text).toBe(200);
            expect(answer.text).toContain(tenant.slug === 'acme' ? '[ACME MOCK]' : '[GLOBEX MOCK]');
          };
          const turn = round * visitors.length + index;
          return turn % 3 === 0 ? [chat(), fails(tenant, turn), seen(tenant)] : [chat(), seen(tenant)];
        }),
      );
    }

    expect(failed).toBeGreaterThan(100);
    for (const { tenant, session, sent } of visitors) {
      const headers = { 'x-tenant-id': tenant.slug, authorization: `Session ${session}` };
      const { json } = await t.request('GET', '/api/sessions/current/messages?limit=100', { headers });
      const items = json.items as { role: string; content: string }[];
      expect(items.filter((item) => item.role === 'user').map((item) => item.content)).toEqual(sent);
      expect(items.filter((item) => item.role === 'assistant')).toHaveLength(sent.length);
    }
    const stored = await t.database.admin(
      'SELECT tenant_id, count(*)::int AS n FROM shared.chat_messages GROUP BY 1 ORDER BY 1',
    );
    const each = SESSIONS_EACH * ROUNDS * 2;
    const ids = Object.values(tenants).map((tenant) => tenant.id);
    expect(stored).toEqual(ids.sort().map((id) => ({ tenant_id: id, n: each })));
    const afterwards = `SELECT nullif(current_setting('app.tenant_id', true), '') AS tenant,
                               (SELECT count(*)::int FROM chat_messages) AS visible`;
    expect(await runSql(t.database.prepared.url('tenant'), afterwards)).toEqual([{ tenant: null, visible: 0 }]);
    expect(await serverConnections(t.database.prepared.roles.name('tenant'))).toBe(1);
  });

  it('an import is served within a second, because LISTEN goes past the pooler', async () => {
    const open = async () => (await t.request('POST', '/session', { body: { tenant_id: 'newcomer' } })).status;
    expect(await open()).toBe(404);
    const url = t.database.prepared.url('platform');
    const elsewhere = await new DataSource({ type: 'postgres', url, schema: 'platform', poolSize: 1 }).initialize();
    try {
      const line = {
        slug: 'newcomer',
        name: 'Newcomer',
        plan: undefined,
        extra: {},
        settings: { 'chat.public': true },
      };
      await new TenantImport(elsewhere, t.app.get(TenantChanges)).import([line], { mode: 'upsert' });
      await expect.poll(open, { timeout: 1000, interval: 20 }).toBe(201);
    } finally {
      await elsewhere.destroy();
    }
  });

  it('is ready, and stays so when the pooler loses its server connections', async () => {
    const ready = async () => (await t.request('GET', '/health/ready')).status;
    expect(await ready()).toBe(200);
    const direct = new URL(t.database.prepared.url('tenant', true)).username;
    await t.database.admin('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [direct]);
    await expect.poll(ready).toBe(200);
    expect(await t.session('acme')).toMatch(/\w/);
  });
});

describe.skipIf(!present)('a pooler that does not know the roles', () => {
  it('stops the start and is named, not the MASTER_KEY', async () => {
    const bouncer = await startPgBouncer(program!, inject('adminUrl'), false);
    try {
      const installation = await createInstallation();
      try {
        const url = installation.env.databaseUrl!;
        const pooled = parseEnv(testEnv({ DATABASE_URL: bouncer.via(url), DATABASE_DIRECT_URL: url }));
        const error: unknown = await prepareDatabase(pooled, MIGRATIONS).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(DatabaseSetupError);
        expect((error as Error).message).toMatch(/by DATABASE_DIRECT_URL but not by DATABASE_URL.*auth_query/s);
      } finally {
        await installation.drop();
      }
    } finally {
      await bouncer.stop();
    }
  });
});
