import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantStatus } from '../../src/tenancy/index.js';
import { allowedFrom, TenantPurge, type TransitionName, TRANSITIONS } from '../../src/tenant/index.js';
import { ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, TENANT_DELETION_GRACE_DAYS: '0' });
  admin = await signInAdmin(t);
});
afterAll(() => t.close());

const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;

/** What an admin can ask for, and the request that asks. */
const REQUESTS = {
  suspend: (slug: string) => admin.send('POST', at(slug, '/suspend'), { reason: 'A test' }),
  resume: (slug: string) => admin.send('POST', at(slug, '/resume')),
  archive: (slug: string) => admin.send('POST', at(slug, '/archive')),
  restore: (slug: string) => admin.send('POST', at(slug, '/restore')),
  retry: (slug: string) => admin.send('POST', at(slug, '/provisioning/retry')),
  'roll-back': (slug: string) => admin.send('POST', at(slug, '/provisioning/roll-back')),
  purge: (slug: string) => admin.send('DELETE', `${at(slug)}?confirm=${slug}`),
} satisfies Partial<Record<TransitionName, unknown>>;
type Asked = keyof typeof REQUESTS;

interface Model {
  status: TenantStatus;
}
interface Real {
  slug: string;
}

/** As it comes from a file. */
const alive = (): Model => ({ status: 'active' });

class Ask implements fc.AsyncCommand<Model, Real> {
  constructor(private readonly transition: Asked) {}

  check = () => true;

  async run(model: Model, { slug }: Real): Promise<void> {
    const { from, to } = TRANSITIONS[this.transition];
    const answer = await REQUESTS[this.transition](slug);
    if (!from.includes(model.status)) {
      expect(answer.status).toBe(409);
      expect(answer.json).toMatchObject({
        code: 'transition_not_allowed',
        status: 409,
        tenant_status: model.status,
        allowed: allowedFrom(model.status),
      });
    } else {
      expect([200, 202]).toContain(answer.status);
      if (this.transition === 'purge') await t.app.get(TenantPurge).runDue();
      model.status = to;
    }
    const now = (await admin.get(at(slug))).json;
    expect(now.status).toBe(model.status);
    expect(now.allowed).toEqual(allowedFrom(model.status));
    // The news of a change comes by NOTIFY.
    await expect
      .poll(async () => (await t.request('POST', '/session', { body: { tenant_id: slug } })).status === 201, {
        timeout: 5000,
      })
      .toBe(model.status === 'active');
  }

  toString = () => this.transition;
}

describe('the life of a tenant', () => {
  it('goes the ways that are drawn and no other, whatever is asked in whatever order', async () => {
    let made = 0;
    const commands = (Object.keys(REQUESTS) as Asked[]).map((name) => fc.constant(new Ask(name)));
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 14 }), async (asked) => {
        const slug = `life-${(made += 1)}`;
        await t.import([{ slug }]);
        await fc.asyncModelRun(() => ({ model: alive(), real: { slug } }), asked);
      }),
      { numRuns: 25 },
    );
  });

  it('is refused to go on in any other order by the same table that the answer shows', () => {
    expect(
      Object.fromEntries((Object.keys(TRANSITIONS) as TransitionName[]).map((n) => [n, TRANSITIONS[n].to])),
    ).toEqual({
      activate: 'active',
      fail: 'failed',
      suspend: 'suspended',
      resume: 'active',
      archive: 'archived',
      restore: 'suspended',
      retry: 'provisioning',
      'roll-back': 'deleted',
      purge: 'deleted',
    });
    expect(allowedFrom('archived')).toEqual(['restore', 'purge']);
    expect(allowedFrom('failed')).toEqual(['retry', 'roll-back']);
    expect(allowedFrom('deleted')).toEqual([]);
  });

  it('ends with nothing left but the tombstone and the events', async () => {
    await createTenant(admin, 'mortal');
    const { id } = await untilStatus(admin, 'mortal', 'active');
    const session = await (async () => {
      await admin.send('PATCH', at('mortal'), { settings: { 'chat.public': true } });
      return t.session('mortal');
    })();
    const chat = await t.request('POST', '/chat', {
      body: { tenant_id: 'mortal', session_id: session, message: 'Remember me' },
    });
    expect(chat.status).toBe(200);
    await admin.send('POST', at('mortal', '/archive'));
    expect((await admin.send('DELETE', `${at('mortal')}?confirm=immortal`)).json.code).toBe('confirmation_mismatch');
    expect((await admin.send('DELETE', at('mortal'))).status).toBe(422);
    const asked = await admin.send('DELETE', `${at('mortal')}?confirm=mortal`);
    expect(asked.status).toBe(202);
    expect(asked.json.purge_after).toEqual(expect.any(String));
    expect((await admin.send('DELETE', `${at('mortal')}?confirm=mortal`)).json.purge_after).toBe(
      asked.json.purge_after,
    );
    expect(await t.app.get(TenantPurge).runDue()).toBe(1);
    const tables = await t.database.admin<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE n.nspname = 'shared' AND c.relkind = 'r' AND c.relname <> 'closures'`,
    );
    expect(tables.length).toBeGreaterThan(8);
    for (const { name } of tables) {
      const [left] = await t.database.admin<{ rows: number }>(
        `SELECT count(*)::int AS rows FROM shared."${name}" WHERE tenant_id = $1`,
        [id],
      );
      expect([name, left?.rows]).toEqual([name, 0]);
    }
    expect((await admin.get(at('mortal'))).json).toMatchObject({ status: 'deleted', name: 'mortal', settings: {} });
    expect((await createTenant(admin, 'mortal')).status).toBe(409);
    const events = await t.database.admin<{ event: string }>(
      'SELECT event FROM platform.audit_events WHERE tenant_id = $1 ORDER BY id',
      [id],
    );
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining([
        'tenant.created',
        'tenant.activated',
        'tenant.archived',
        'tenant.deletion_scheduled',
        'tenant.purged',
      ]),
    );
  });

  it('is erased to the end after a crash half-way, and cannot be restored meanwhile', async () => {
    await t.import([{ slug: 'half-gone' }]);
    const { id } = (await admin.get(at('half-gone'))).json;
    await t.session('half-gone');
    await admin.send('POST', at('half-gone', '/archive'));
    await admin.send('DELETE', `${at('half-gone')}?confirm=half-gone`);
    await t.database.admin('ALTER TABLE shared.chat_sessions RENAME TO elsewhere');
    await t.database.admin('REVOKE DELETE ON shared.elsewhere FROM PUBLIC');
    const roles = await t.database.admin<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE pg_has_role(rolname, 'pg_read_all_data', 'MEMBER') IS NOT NULL
         AND rolname LIKE '%maintenance' AND has_table_privilege(rolname, 'shared.elsewhere', 'DELETE')`,
    );
    for (const { name } of roles) await t.database.admin(`REVOKE DELETE ON shared.elsewhere FROM "${name}"`);
    expect(await t.app.get(TenantPurge).runDue()).toBe(0);
    expect((await admin.send('POST', at('half-gone', '/restore'))).status).toBe(409);
    for (const { name } of roles) await t.database.admin(`GRANT DELETE ON shared.elsewhere TO "${name}"`);
    await t.database.admin('ALTER TABLE shared.elsewhere RENAME TO chat_sessions');
    await t.app.get(TenantPurge).runDue();
    const left = () => t.database.admin('SELECT 1 FROM shared.chat_sessions WHERE tenant_id = $1', [id]);
    expect(await left()).toEqual([]);

    // What was under way writes once more; in place of waiting an hour, the date is moved.
    await t.database.admin(
      `INSERT INTO shared.chat_sessions (tenant_id, id, token_hash) VALUES ($1, gen_random_uuid(), '\\x00')`,
      [id],
    );
    const again = async () => {
      await t.database.admin(`UPDATE platform.tenants SET purge_after = now() WHERE slug = 'half-gone'`);
      await t.app.get(TenantPurge).runDue();
      return (await admin.get(at('half-gone'))).json.purge_after as string | null;
    };
    expect(await again()).not.toBeNull();
    expect(await left()).toEqual([]);
    // Until the platform's own job that tells of the purge has been run, and is erased as well.
    await expect.poll(again, { timeout: 30_000, interval: 200 }).toBeNull();
  });

  it('calls a deletion off by restoring', async () => {
    await t.import([{ slug: 'second-thoughts' }]);
    await admin.send('POST', at('second-thoughts', '/archive'));
    await admin.send('DELETE', `${at('second-thoughts')}?confirm=second-thoughts`);
    expect((await admin.send('POST', at('second-thoughts', '/restore'))).json).toMatchObject({
      status: 'suspended',
      purge_after: null,
    });
    await t.app.get(TenantPurge).runDue();
    expect((await admin.get(at('second-thoughts'))).json.status).toBe('suspended');
  });

  it('stops on every process within a second, also with requests under way', async () => {
    const other = await secondInstance(t.database);
    try {
      const sessions = await Promise.all([t.session('globex'), other.session('globex')]);
      let refusedSince = Infinity;
      let late = 0;
      let stop = false;
      const load = [t, other].map(async (app, index) => {
        while (!stop) {
          const { status } = await app.request('POST', '/chat', {
            body: { tenant_id: 'globex', session_id: sessions[index], message: 'hi' },
          });
          if (status === 200 && Date.now() - refusedSince > 1000) late += 1;
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect((await admin.send('POST', at('globex', '/suspend'), { reason: 'A test' })).status).toBe(200);
      refusedSince = Date.now();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      stop = true;
      await Promise.all(load);
      expect(late).toBe(0);
      for (const app of [t, other]) {
        expect((await app.request('POST', '/session', { body: { tenant_id: 'globex' } })).status).not.toBe(201);
      }
    } finally {
      await other.close();
    }
  });
});
