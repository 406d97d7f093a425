import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_SERVER, type Placement, TenantDirectory } from '../../src/tenancy/index.js';
import { TenantPurge } from '../../src/tenant/index.js';
import { runSql } from '../kit/scratch-server.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
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
