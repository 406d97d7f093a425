import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplication, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NextFunction, Request, Response } from 'express';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AuditQuery,
  AuditRetention,
  AuditService,
  csv,
  PlatformAudit,
  TenantAudit,
  type TenantAuditEvent,
} from '../../src/audit/index.js';
import { AuditController } from '../../src/auth/index.js';
import { firstIdAt, newId } from '../../src/common/index.js';
import { ProblemFilter } from '../../src/http/problem.filter.js';
import { validationPipe } from '../../src/http/validation.pipe.js';
import {
  type Actor,
  PLATFORM_DATA_SOURCE,
  PlacementUnavailable,
  type Tenant,
  TenantContext,
  TenantContextMissing,
  TenantDataSource,
  TenantDirectory,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { userToken } from '../kit/actors.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

type Stored = Record<string, unknown> & { id: string; event: string; occurrences: number; details: unknown };
const DAY_MS = 24 * 60 * 60 * 1000;

let t: TestApp;
let acme: Tenant;
let globex: Tenant;
let runner: TenantRunner;
let audit: TenantAudit;
let query: AuditQuery;
beforeAll(async () => {
  t = await createTestApp();
  [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
  runner = t.app.get(TenantRunner);
  audit = t.app.get(TenantAudit);
  query = t.app.get(AuditQuery);
});
afterAll(() => t.close());
beforeEach(async () => {
  await t.database.admin('DELETE FROM everywhere.audit_events');
  await t.database.admin('TRUNCATE platform.audit_events');
});

const ofTenant = (tenant: Tenant) =>
  t.database.admin<Stored>('SELECT * FROM everywhere.audit_events WHERE tenant_id = $1 ORDER BY id', [tenant.id]);
/** But for the imports by which tests set their scene. */
const ofPlatform = () =>
  t.database.admin<Stored>(`SELECT * FROM platform.audit_events WHERE event <> 'tenants.imported' ORDER BY id`);

const ada: Actor = { kind: 'user', id: newId(), name: 'Ada' };
const as = <T>(tenant: Tenant, fn: () => Promise<T>, actor?: Actor): Promise<T> =>
  runner.run(tenant, async () => {
    if (actor) runner.identify(actor);
    return fn();
  });

/** Puts events of a given age into a log, as they would have been written then. */
async function age(schema: 'everywhere' | 'platform', tenant: Tenant, days: number, count = 1): Promise<void> {
  const columns = '(tenant_id, id, occurred_at, event, actor_kind)';
  const at = new Date(Date.now() - days * DAY_MS);
  const head = firstIdAt(at).slice(0, 24);
  await t.database.admin(
    `INSERT INTO ${schema}.audit_events ${columns}
     SELECT $1, ($2 || lpad(to_hex(n), 12, '0'))::uuid, $3, 'user.created', 'system' FROM generate_series(1, $4) n`,
    [tenant.id, head, at, count],
  );
}

describe('an audit event', () => {
  it('says who, what, on what, from where and in which request', async () => {
    const impersonator = { id: newId(), name: 'Grace of support' };
    await runner.runRequest({ tenant: acme, requestId: 'request-1', address: '192.0.2.7' }, async () => {
      runner.identify({ ...ada, impersonator });
      await audit.record({
        event: 'user.updated',
        target: { kind: 'user', id: 'u-1' },
        before: { name: 'Bob', role: 'member', password_hash: 'x' },
        after: { name: 'Bob', role: 'admin', password_hash: 'y' },
        details: { reason: 'promoted' },
      });
    });
    const [event] = await ofTenant(acme);
    expect(event).toMatchObject({
      event: 'user.updated',
      actor_kind: 'user',
      actor_id: ada.id,
      actor_name: 'Ada',
      impersonator_id: impersonator.id,
      impersonator_name: impersonator.name,
      target_kind: 'user',
      target_id: 'u-1',
      before: { role: 'member', password_hash: '[removed]' },
      after: { role: 'admin', password_hash: '[removed]' },
      details: { reason: 'promoted' },
      address: '192.0.2.7',
      request_id: 'request-1',
      occurrences: 1,
    });
    expect(await ofTenant(globex)).toEqual([]);
  });

  it('is of the system when nobody was identified', async () => {
    await as(acme, () => audit.record({ event: 'job.ran' }));
    expect(await ofTenant(acme)).toMatchObject([{ actor_kind: 'system', actor_id: null, before: null, details: null }]);
  });

  it('is stored with the change it belongs to, or not at all', async () => {
    const transaction = t.app.get(TenantTransaction);
    const change = (fail: boolean) =>
      as(acme, () =>
        transaction.run(async () => {
          await audit.record({ event: 'user.created' });
          expect(await ofTenant(acme)).toEqual([]);
          if (fail) throw new Error('no such role');
        }),
      );
    await expect(change(true)).rejects.toThrow('no such role');
    expect(await ofTenant(acme)).toEqual([]);
    await change(false);
    expect(await ofTenant(acme)).toHaveLength(1);
  });

  it('has no place outside a tenant', async () => {
    await expect(audit.record({ event: 'user.created' })).rejects.toBeInstanceOf(TenantContextMissing);
    expect(() => runner.identify(ada)).toThrow(TenantContextMissing);
  });

  it('keeps its actor and address in nested scopes, and loses them with the scope', async () => {
    const context = t.app.get(TenantContext);
    await runner.runRequest({ tenant: acme, address: '192.0.2.7' }, async () => {
      runner.identify(ada);
      const seen = () => [context.actor(), context.address()];
      expect(runner.run(acme, seen)).toEqual([ada, '192.0.2.7']);
      expect(runner.runAsPlatform('a test', seen)).toEqual([ada, '192.0.2.7']);
      expect(await t.app.get(TenantTransaction).run(() => Promise.resolve(seen()))).toEqual([ada, '192.0.2.7']);
    });
    expect([context.actor(), context.address()]).toEqual([undefined, undefined]);
  });

  it('can be added and read by the tenant role, read, deleted and brought along by maintenance, and nothing else', async () => {
    const grants = await t.database.admin<{ role: string; may: string }>(
      `SELECT pg_get_userbyid(grantee) AS role, string_agg(privilege_type, ',' ORDER BY privilege_type) AS may
         FROM pg_class, aclexplode(relacl) WHERE oid = 'shared.audit_events'::regclass AND grantee <> relowner GROUP BY 1`,
    );
    const { roles } = t.database.prepared;
    expect(Object.fromEntries(grants.map(({ role, may }) => [role, may]))).toEqual({
      [roles.name('tenant')]: 'INSERT,SELECT',
      // A move brings the events along.
      [roles.name('maintenance')]: 'DELETE,INSERT,SELECT',
    });
    const columns = await t.database.admin(
      `SELECT attname FROM pg_attribute WHERE attrelid = 'shared.audit_events'::regclass AND attacl IS NOT NULL`,
    );
    expect(columns).toEqual([]);
  });
});

describe("the platform's log", () => {
  const admin: Actor = { kind: 'platform-admin', id: newId(), name: 'Grace' };
  const suspended = () => ({
    event: 'tenant.suspended',
    tenantId: acme.id,
    target: { kind: 'tenant', id: acme.id },
    before: { status: 'active' },
    after: { status: 'suspended' },
    reason: 'unpaid',
  });

  it('says which platform admin did what to which tenant and why', async () => {
    await runner.runRequest({ requestId: 'request-2', address: '192.0.2.8' }, async () => {
      runner.identify(admin);
      await t.app.get(PlatformAudit).record(undefined, suspended());
    });
    expect(await ofPlatform()).toMatchObject([
      {
        event: 'tenant.suspended',
        tenant_id: acme.id,
        actor_kind: 'platform-admin',
        actor_id: admin.id,
        actor_name: 'Grace',
        target_kind: 'tenant',
        target_id: acme.id,
        before: { status: 'active' },
        after: { status: 'suspended' },
        reason: 'unpaid',
        address: '192.0.2.8',
        request_id: 'request-2',
        details: {},
      },
    ]);
    expect(await ofTenant(acme)).toEqual([]);
  });

  it('takes part in the transaction of the change', async () => {
    const platform = t.app.get<DataSource>(PLATFORM_DATA_SOURCE);
    const failing = platform.transaction(async (manager) => {
      await t.app.get(PlatformAudit).record(manager, suspended());
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await ofPlatform()).toEqual([]);
  });
});

describe('a cross-tenant attempt', () => {
  it('is in the log of acme, whose session was used, and not in that of globex, which was aimed at', async () => {
    const session = await t.session('acme');
    const answer = await t.request('GET', `/globex/api/sessions/${session}`);
    expect(answer.status).toBe(403);
    await expect.poll(() => ofTenant(acme), { timeout: 5000 }).toHaveLength(1);
    const requestId = answer.headers['x-request-id'];
    const expected = {
      event: 'cross_tenant_access_attempt',
      actor_kind: 'visitor',
      address: expect.stringContaining('127.0.0.1'),
      request_id: requestId,
      occurrences: 1,
      details: { target: 'globex', route: '/api/sessions/[redacted]', method: 'GET' },
    };
    expect(await ofTenant(acme)).toMatchObject([expected]);
    expect(await ofPlatform()).toMatchObject([{ ...expected, tenant_id: acme.id }]);
    expect(await ofTenant(globex)).toEqual([]);
    expect(JSON.stringify(await ofTenant(acme))).not.toContain(session);
  });

  it('is counted under a flood: in the tenant log a first row and one that says how many more there were', async () => {
    const own = await createTestApp();
    try {
      const session = await own.session('acme');
      const { id } = await own.tenant('acme');
      for (let n = 0; n < 25; n += 1) await own.request('GET', `/globex/api/sessions/${session}`);
      await own.app.close();
      const rows = (schema: string) =>
        own.database.admin<Stored>(`SELECT * FROM ${schema}.audit_events WHERE tenant_id = $1 ORDER BY id`, [id]);
      expect((await rows('everywhere')).map((row) => row.occurrences)).toEqual([1, 24]);
      expect((await rows('platform')).map((row) => row.occurrences)).toEqual([25]);
      expect(await own.database.admin('SELECT count(*)::int AS n FROM everywhere.audit_events')).toEqual([{ n: 2 }]);
    } finally {
      await own.database.drop();
    }
  });

  it('is stored before the process stops, though the registry is slow and the place was not to be reached just now', async () => {
    const own = await createTestApp();
    try {
      const { id } = await own.tenant('acme');
      const directory = own.app.get(TenantDirectory);
      const findById = directory.findById.bind(directory);
      const find = vi.spyOn(directory, 'findById');
      find.mockRejectedValueOnce(new PlacementUnavailable(new Error('gone')));
      find.mockImplementation(async (tenantId) => {
        await sleep(50);
        return findById(tenantId);
      });
      await own.request('GET', `/globex/api/sessions/${await own.session('acme')}`);
      await expect.poll(() => find.mock.results.length, { timeout: 5000 }).toBeGreaterThan(0);
      await own.app.close();
      const sql = 'SELECT event FROM everywhere.audit_events WHERE tenant_id = $1';
      expect(await own.database.admin(sql, [id])).toEqual([{ event: 'cross_tenant_access_attempt' }]);
    } finally {
      await own.database.drop();
    }
  });

  it('of two people within ten seconds is two events, as is one by another route', async () => {
    const tries = [
      ['owner', '/api/users'],
      ['member', '/api/users'],
      ['member', '/api/roles'],
      ['member', '/api/roles'],
    ] as const;
    const tokens = { owner: await userToken(t, 'acme', 'owner'), member: await userToken(t, 'acme', 'member') };
    for (const [role, path] of tries) {
      const headers = { 'x-tenant-id': 'globex', authorization: `Bearer ${tokens[role]}` };
      expect((await t.request('GET', path, { headers })).status).toBe(404);
    }
    const seen = async () =>
      (await ofTenant(acme)).map(({ actor_id, details }) => [actor_id, (details as { route: string }).route]);
    await expect.poll(seen, { timeout: 5000 }).toHaveLength(3);
    const [first, second, third] = await seen();
    expect([first?.[1], second?.[1], third?.[1]]).toEqual(['/api/users', '/api/users', '/api/roles']);
    expect(first?.[0]).not.toBe(second?.[0]);
    expect(second?.[0]).toBe(third?.[0]);
  });

  it('of somebody signed in is theirs, and not of a visitor', async () => {
    const session = await t.session('globex');
    const headers = { 'x-tenant-id': 'acme', authorization: `Bearer ${await userToken(t, 'acme', 'owner')}` };
    const { id } = (await t.request('GET', '/api/auth/me', { headers })).json as { id: string };
    await t.request('GET', `/api/sessions/${session}`, { headers });
    await expect.poll(() => ofTenant(globex), { timeout: 5000 }).toHaveLength(1);
    expect(await ofTenant(globex)).toMatchObject([
      {
        event: 'cross_tenant_access_attempt',
        actor_kind: 'user',
        actor_id: id,
        actor_name: null,
        details: { user: id },
      },
    ]);
  });

  it('names the actor of the scope only when the scope is of the same tenant', async () => {
    const security = t.app.get(AuditService);
    const record = (event: string) => security.record({ event, tenantId: acme.id, details: {} });
    await as(acme, () => Promise.resolve(record('refresh_token.reused')), ada);
    await as(globex, () => Promise.resolve(record('refresh_token.foreign')), ada);
    await expect.poll(() => ofTenant(acme), { timeout: 5000 }).toHaveLength(2);
    expect(await ofTenant(acme)).toMatchObject([
      { event: 'refresh_token.reused', actor_kind: 'user', actor_id: ada.id },
      { event: 'refresh_token.foreign', actor_kind: 'system', actor_id: null },
    ]);
    expect(await ofTenant(globex)).toEqual([]);
  });
});

describe('retention', () => {
  const retention = () => t.app.get(AuditRetention, { strict: false });

  it('follows the setting of each tenant, keeps the rest, and is itself recorded in the logs concerned', async () => {
    await t.import([{ slug: 'keeper' }, { slug: 'forgetter', settings: { 'audit.retention_days': 30 } }]);
    const [keeper, forgetter] = [await t.tenant('keeper'), await t.tenant('forgetter')];
    await age('everywhere', keeper, 364, 2);
    await age('everywhere', keeper, 366, 3);
    await age('everywhere', forgetter, 29, 2);
    await age('everywhere', forgetter, 31, 4);
    await age('everywhere', acme, 40, 1);
    await age('platform', acme, 729, 1);
    await age('platform', acme, 731, 5);
    expect(await retention().purge()).toEqual({ tenants: 2, events: 7, platformEvents: 5 });
    const left = async (tenant: Tenant) => (await ofTenant(tenant)).map((row) => [row.event, row.details]);
    const kept = ['user.created', null];
    const details = (count: number, days: number) => ({ count, retention_days: days, before: expect.any(String) });
    expect(await left(keeper)).toEqual([kept, kept, ['audit.purged', details(3, 365)]]);
    expect(await left(forgetter)).toEqual([kept, kept, ['audit.purged', details(4, 30)]]);
    expect(await left(acme)).toEqual([kept]);
    expect((await ofPlatform()).slice(1)).toMatchObject([
      { event: 'audit.purged', actor_kind: 'system', details: { count: 5, tenants: 2, tenant_events: 7 } },
    ]);
    expect(await retention().purge()).toEqual({ tenants: 0, events: 0, platformEvents: 0 });
    expect(await ofPlatform()).toHaveLength(2);
  });

  it('removes more than one batch, and counts each event once when two processes do it together', async () => {
    await age('everywhere', acme, 400, 12_000);
    const purged = await Promise.all([retention().purge(), retention().purge()]);
    expect(purged.map(({ events }) => events).reduce((a, b) => a + b)).toBe(12_000);
    const events = (await ofTenant(acme)).filter(({ event }) => event === 'audit.purged');
    const counts = events.map((row) => (row.details as { count: number }).count);
    expect(counts.reduce((a, b) => a + b)).toBe(12_000);
  });

  it('removes nothing that it could not record', async () => {
    await age('everywhere', acme, 400, 3);
    await age('everywhere', globex, 400, 2);
    const record = vi
      .spyOn(TenantAudit.prototype, 'record')
      .mockImplementationOnce(() => Promise.reject(new Error('full')));
    try {
      const { events } = await retention().purge();
      const [ofAcme, ofGlobex] = [await ofTenant(acme), await ofTenant(globex)];
      expect(ofAcme.length + ofGlobex.length).toBe(3 + 2 - events + 1);
      expect([2, 3]).toContain(events);
    } finally {
      record.mockRestore();
    }
    await retention().purge();
    expect((await ofTenant(acme)).map((row) => row.event)).toEqual(['audit.purged']);
    expect((await ofTenant(globex)).map((row) => row.event)).toEqual(['audit.purged']);
  });

  it('keeps events of a tenant that is no longer registered for the default time, and no setting below 30 days', async () => {
    await t.import([{ slug: 'hasty', settings: { 'audit.retention_days': 1 } }]);
    const hasty = await t.tenant('hasty');
    const gone = { ...acme, id: newId() };
    await age('everywhere', hasty, 31);
    await age('everywhere', gone, 366);
    await age('everywhere', gone, 364);
    expect(await retention().purge()).toMatchObject({ tenants: 1, events: 1 });
    expect((await ofTenant(hasty)).length).toBe(1);
    expect((await ofTenant(gone)).length).toBe(1);
  });
});

describe('the list', () => {
  beforeEach(async () => {
    const target = (id: string) => ({ target: { kind: 'user', id } });
    await as(acme, () => audit.record({ event: 'user.created', ...target('u-1') }), ada);
    await as(acme, () => audit.record({ event: 'user.deleted', ...target('u-2') }), { kind: 'api-key', id: 'k-1' });
    await as(acme, () => audit.record({ event: 'username.taken' }));
    await as(acme, () => audit.record({ event: 'role.updated', target: { kind: 'role', id: 'u-1' } }), ada);
    await as(globex, () => audit.record({ event: 'user.created', ...target('u-1') }), ada);
  });
  const found = (filter: Parameters<AuditQuery['list']>[0]) =>
    as(acme, async () => (await query.list(filter, 50)).items.map((event) => event.event));

  it.each([
    [{}, ['role.updated', 'username.taken', 'user.deleted', 'user.created']],
    [{ event: 'user.' }, ['user.deleted', 'user.created']],
    [{ event: 'user' }, ['username.taken', 'user.deleted', 'user.created']],
    [{ event: 'user.created' }, ['user.created']],
    [{ event: '%' }, []],
    [{ actorId: ada.id }, ['role.updated', 'user.created']],
    [{ actorKind: 'api-key' as const }, ['user.deleted']],
    [{ targetId: 'u-1' }, ['role.updated', 'user.created']],
    [{ targetKind: 'user', targetId: 'u-1' }, ['user.created']],
    [{ actorId: ada.id, event: 'role.' }, ['role.updated']],
  ])('of acme by %j, newest first', async (filter, expected) => expect(await found(filter)).toEqual(expected));

  it('is cut by time, from inclusive and to exclusive', async () => {
    await t.database.admin('DELETE FROM everywhere.audit_events');
    await age('everywhere', acme, 3);
    await age('everywhere', acme, 2);
    await age('everywhere', acme, 1);
    const [, middle, last] = (await ofTenant(acme)).map((row) => row['occurred_at'] as Date);
    const between = async (from?: Date, to?: Date) =>
      as(acme, async () => (await query.list({ from, to }, 50)).items.map((event) => event.occurredAt));
    expect(await between(middle, last)).toEqual([middle]);
    expect(await between(middle)).toEqual([last, middle]);
    expect(await between(undefined, middle)).toHaveLength(1);
  });

  it('goes on where its cursor says, and takes no cursor of globex', async () => {
    const first = await as(acme, () => query.list({}, 3));
    expect(first.items).toHaveLength(3);
    const cursor = first.next_cursor ?? '';
    const rest = await as(acme, () => query.list({}, 3, cursor));
    expect([rest.items.map((event) => event.event), rest.next_cursor]).toEqual([['user.created'], null]);
    await expect(as(globex, () => query.list({}, 3, cursor))).rejects.toMatchObject({ code: 'cursor_invalid' });
    await expect(as(acme, () => query.list({}, 3, 'nonsense'))).rejects.toMatchObject({ code: 'cursor_invalid' });
  });

  it.each([
    [{ event: 'noun17.' }, 'audit_events_event', '(event >='],
    [{ actorId: 'a-17' }, 'audit_events_actor', '(actor_id ='],
    [{ targetKind: 'user', targetId: 'u-17' }, 'audit_events_target', '(target_id ='],
    [{ from: new Date() }, 'audit_events_pkey', '(id >='],
  ])('by %j is served by an index, row-level security or not', async (filter, index, condition) => {
    await t.database.admin(
      `INSERT INTO everywhere.audit_events (tenant_id, id, occurred_at, event, actor_kind, actor_id, target_kind, target_id)
       SELECT $1, gen_random_uuid(), now(), 'noun' || n || '.made', 'user', 'a-' || n, 'user', 'u-' || n
         FROM generate_series(1, 3000) n`,
      [acme.id],
    );
    await t.database.admin('ANALYZE everywhere.audit_events');
    const log = vi.spyOn(t.app.get(TenantDataSource).logger, 'logQuery');
    const plan = await as(acme, async () => {
      await query.list(filter, 10);
      const [sql, parameters] = log.mock.lastCall ?? [];
      return t.app.get(TenantTransaction).query<Record<string, string>>(`EXPLAIN ${sql}`, parameters as unknown[]);
    }).finally(() => log.mockRestore());
    const lines = plan.map((line) => line['QUERY PLAN'] ?? '');
    expect(lines.join('\n')).toContain(index);
    expect(lines.find((line) => line.includes('Index Cond'))).toContain(condition.slice(1));
  });
});

/** The controller in an application of its own, where a header opens the scope and nobody is refused. */
async function controllerApp(): Promise<{ app: INestApplication; port: number }> {
  const of = (provide: Type, useValue: object) => ({ provide, useValue });
  @Module({
    controllers: [AuditController],
    providers: [of(AuditQuery, query), of(TenantAudit, audit), of(TenantContext, t.app.get(TenantContext))],
  })
  class ControllerModule {}
  const app = await NestFactory.create(ControllerModule, { logger: false });
  app.use((request: Request, _response: Response, next: NextFunction) => {
    Object.assign(request, { principal: { ...ada, permissions: new Set(['audit:read', 'audit:export']) } });
    runner.runRequest({ tenant: request.get('x-tenant-id') === 'acme' ? acme : globex, actor: ada }, next);
  });
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}

describe('GET /api/audit', () => {
  let app: INestApplication;
  let port: number;
  beforeAll(async () => {
    ({ app, port } = await controllerApp());
  });
  afterAll(() => app.close());
  const get = async (path: string, headers: Record<string, string> = {}, tenant = 'acme') => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/audit${path}`, {
      headers: { 'x-tenant-id': tenant, ...headers },
    });
    const text = await answer.text();

    return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) };
  };
  /** Events of about a kilobyte each. */
  const fill = (tenant: Tenant, count: number) =>
    t.database.admin(
      `INSERT INTO everywhere.audit_events (tenant_id, id, occurred_at, event, actor_kind, details)
       SELECT $1, uuidv7(), now(), 'user.created', 'system', jsonb_build_object('n', n, 'text', repeat('x', 1000))
         FROM generate_series(1, $2) n`,
      [tenant.id, count],
    );

  it('answers a page as JSON, and the next by its cursor', async () => {
    await fill(globex, 2);
    await as(acme, () => audit.record({ event: 'user.created', after: { name: 'Bob' } }), ada);
    await as(acme, () => audit.record({ event: 'user.deleted' }), ada);
    const first = (await get('?limit=1')).json();
    expect(first.items).toMatchObject([
      { event: 'user.deleted', actor_kind: 'user', actor_id: ada.id, occurrences: 1 },
    ]);
    const second = (await get(`?limit=1&cursor=${first.next_cursor}`)).json();
    expect(second.items).toMatchObject([{ event: 'user.created', after: { name: 'Bob' }, before: null }]);
    expect(second.next_cursor).toBeNull();
    expect((await get('?event=user.del&from=2020-01-01&to=2199-12-31T00:00:00%2B02:00')).json().items).toHaveLength(1);
    expect((await get('?to=2020-01-01')).json().items).toEqual([]);
  });

  it.each([
    ['?actor_kind=robot', '/actor_kind'],
    ['?from=yesterday', '/from'],
    ['?from=2026-02-30', '/from'],
    ['?to=2026-02-03T10:00:00', '/to'],
    ['?event=', '/event'],
    ['?event=a%00b', '/event'],
    ['?format=xml', '/format'],
  ])('answers %s with 422 that points to the parameter', async (path, pointer) => {
    const answer = await get(path);
    expect([answer.status, answer.json().errors[0].pointer]).toEqual([422, pointer]);
  });

  it.each([['?limit=0'], ['?limit=201'], ['?cursor=abc']])('answers %s with 422', async (path) =>
    expect((await get(path)).status).toBe(422),
  );

  it('downloads all that matches as CSV in which no name is a formula, and records that', async () => {
    const name = '=HYPERLINK("http://evil.example","a, b")';
    await as(acme, () => audit.record({ event: 'user.created', after: { name: 'Bob' } }), { kind: 'user', name });
    const answer = await get('?format=csv&event=user.');
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="audit-acme.csv"');
    const [head, line, end] = answer.text.split('\r\n');
    expect(head).toMatch(/^"id","occurred_at","event","actor_kind"/);
    expect(line).toContain(csv([[name]]).trim());
    expect(line).toContain(`"'=HYPERLINK(""http`);
    expect(line).toContain('"{""name"":""Bob""}"');
    expect(end).toBe('');
    expect((await ofTenant(acme)).at(-1)).toMatchObject({
      event: 'audit.exported',
      actor_id: ada.id,
      details: { format: 'csv', event: 'user.' },
    });
  });

  it('downloads JSON lines of many pages, each event once and none of globex', async () => {
    await fill(acme, 1700);
    await fill(globex, 700);
    const answer = await get('', { accept: 'application/jsonl' });
    expect(answer.headers.get('content-type')).toBe('application/jsonl; charset=utf-8');
    const lines = answer.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; event: string });
    // What earlier requests were refused for is told a little later.
    const filled = lines.filter(({ event }) => event === 'user.created');
    expect(new Set(filled.map((line) => line.id)).size).toBe(1700);
    const own = new Set((await ofTenant(acme)).map((row) => row.id));
    expect(lines.every((line) => own.has(line.id))).toBe(true);
    expect((await get('', { accept: 'text/csv' })).headers.get('content-type')).toContain('text/csv');
    expect((await get('', { accept: 'text/html' })).headers.get('content-type')).toContain('application/json');
  });

  it('reads no further than the client does, holds no transaction meanwhile, and stops when the client goes', async () => {
    await fill(acme, 30_000);
    const reads = vi.spyOn(t.app.get(TenantDataSource).logger, 'logQuery');
    const settled = async (): Promise<number> => {
      for (let seen = -1; ; seen = reads.mock.calls.length, await sleep(300)) {
        if (seen === reads.mock.calls.length) return seen;
      }
    };
    const request = http.get({ port, path: '/api/audit?format=jsonl', headers: { 'x-tenant-id': 'acme' } });
    try {
      const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve));
      response.pause();
      const waiting = await settled();
      expect(waiting).toBeGreaterThan(1);
      expect(waiting).toBeLessThan(50);
      const open = await t.database.admin(
        `SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
            AND datname IN (SELECT current_database() UNION SELECT name FROM platform.places)`,
      );
      expect(open).toEqual([]);
      response.resume();
      await expect.poll(() => reads.mock.calls.length).toBeGreaterThan(waiting);
      request.destroy();
      const left = await settled();
      expect(left).toBeLessThanOrEqual(62);
    } finally {
      request.destroy();
      reads.mockRestore();
    }
  });

  it('stays with acme to its end, whoever drains the stream', async () => {
    await fill(acme, 1200);
    await fill(globex, 1200);
    const own = new Set((await ofTenant(acme)).map((row) => row.id));
    const open = () => as(acme, () => query.export({ event: 'user.created' }));
    const drain = async (pages: AsyncIterable<TenantAuditEvent[]>) => {
      const ids: string[] = [];
      for await (const page of pages) ids.push(...page.map((event) => event.id));
      return ids;
    };
    const inNone = await drain(await open());
    const pages = await open();
    const inGlobex = await as(globex, () => drain(pages));
    for (const ids of [inNone, inGlobex]) {
      expect(new Set(ids).size).toBe(1200);
      expect(ids.every((id) => own.has(id))).toBe(true);
    }
  });

  it('breaks off a download that fails on the way, so that it cannot be taken for whole', async () => {
    await fill(acme, 1200);
    const pages = await as(acme, () => query.export({}));
    async function* failing(): AsyncGenerator<TenantAuditEvent[]> {
      yield (await pages.next()).value as TenantAuditEvent[];
      throw new Error('connection lost');
    }
    const failure = vi.spyOn(query, 'export').mockImplementation(() => Promise.resolve(failing()));
    try {
      await expect(get('?format=jsonl')).rejects.toThrow();
    } finally {
      failure.mockRestore();
    }
  });
});

describe('the access log', () => {
  const lines = () =>
    t.logs
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['msg'] === 'request' && line['path'] === '/acme/api/sessions/[redacted]');

  it('says which visitor asked for which route, and neither for whom nobody let in', async () => {
    const session = await t.session('acme');
    t.logs.length = 0;
    await t.request('GET', `/acme/api/sessions/${session}`);
    await t.request('GET', `/acme/api/sessions/${session.slice(1)}`);
    await expect.poll(lines).toHaveLength(2);
    const sessionId = (await t.request('GET', `/acme/api/sessions/${session}`)).json.id as string;
    expect(lines()[0]).toMatchObject({
      tenant: 'acme',
      actor: { kind: 'visitor', id: sessionId },
      route: '/api/sessions/:session_id',
      status: 200,
    });
    expect(lines()[1]).toMatchObject({ status: 404 });
    expect(lines()[1]?.['actor']).toBeUndefined();
    expect(t.logs.join('')).not.toContain(session);
  });

  it('says who impersonates whom by id, never a name', async () => {
    const session = await t.session('acme');
    const impersonator = { id: newId(), name: 'grace@platform.example' };
    const identify = runner.identify.bind(runner);
    const actor = { ...ada, name: 'ada@acme.example', impersonator };
    const named = vi.spyOn(runner, 'identify').mockImplementation(() => identify(actor));
    try {
      t.logs.length = 0;
      await t.request('GET', `/acme/api/sessions/${session}`);
    } finally {
      named.mockRestore();
    }
    await expect.poll(lines).toHaveLength(1);
    expect(lines()[0]?.['actor']).toEqual({ kind: 'user', id: ada.id, impersonator: impersonator.id });
    expect(t.logs.join('')).not.toMatch(/grace@|ada@/);
  });
});
