import { EventEmitter } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatSession } from '../../src/session/index.js';
import {
  TenantContext,
  TenantContextMissing,
  TenantLookUp,
  type TenantRepository,
  TenantScopeConflict,
  TenantTransaction,
  TenantTransactionEnded,
  TransactionOpenDuringCall,
  tenantRepositoryToken,
} from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { Rows } from './rows.js';

let t: TestApp;
let rows: Rows;
let context: TenantContext;
let transaction: TenantTransaction;
let sessions: TenantRepository<ChatSession>;
beforeAll(async () => {
  t = await createTestApp();
  rows = await Rows.of(t);
  context = t.app.get(TenantContext);
  transaction = t.app.get(TenantTransaction);
  sessions = t.app.get(tenantRepositoryToken(ChatSession));
});
afterAll(() => t.close());
beforeEach(() => rows.clear());

const seed = (tenant = rows.acme) => rows.seed(rows.source.getMetadata(ChatSession), tenant);
const slug = () => context.current()?.slug;

describe('a scope', () => {
  it('reaches timers, microtasks and event emitters', async () => {
    const emitter = new EventEmitter();
    const heard = await rows.as(rows.acme, async () => {
      const slugs: (string | undefined)[] = [];
      emitter.on('tick', () => slugs.push(slug()));
      emitter.emit('tick');
      await new Promise<void>((resolve) => setTimeout(() => resolve(void slugs.push(slug())), 5));
      await new Promise<void>((resolve) => setImmediate(() => resolve(void slugs.push(slug()))));
      queueMicrotask(() => slugs.push(slug()));
      await sleep(1);
      slugs.push(slug());
      return slugs;
    });
    expect(heard).toEqual(['acme', 'acme', 'acme', 'acme', 'acme']);
  });

  it('is left on success, on a synchronous throw and on a rejection', async () => {
    expect(rows.runner.run(rows.acme, slug)).toBe('acme');
    expect(slug()).toBeUndefined();
    expect(() =>
      rows.runner.run(rows.acme, () => {
        throw new Error('sync');
      }),
    ).toThrow('sync');
    expect(slug()).toBeUndefined();
    await rows.runner.run(rows.acme, async () => {
      await expect(rows.runner.run(rows.acme, () => Promise.reject(new Error('async')))).rejects.toThrow('async');
      expect(() =>
        rows.runner.runAsPlatform('a test', () => {
          expect(slug()).toBeUndefined();
          throw new Error('platform');
        }),
      ).toThrow('platform');
      expect(slug()).toBe('acme');
    });
    expect(slug()).toBeUndefined();
    expect(() => context.currentOrThrow()).toThrow(TenantContextMissing);
  });

  it('does not open inside the scope of another tenant, not even by way of the platform', () => {
    const { acme, globex, runner } = rows;
    runner.run(acme, () => {
      expect(runner.run(acme, slug)).toBe('acme');
      expect(() => runner.run(globex, slug)).toThrow(TenantScopeConflict);
      runner.runAsPlatform('a test', () => {
        expect(() => runner.run(globex, slug)).toThrow(TenantScopeConflict);
        expect(runner.run(acme, slug)).toBe('acme');
        runner.runAsPlatform('again', () => expect(() => runner.run(globex, slug)).toThrow(TenantScopeConflict));
      });
      expect(slug()).toBe('acme');
    });
    expect(runner.runAsPlatform('a test', () => runner.run(globex, slug))).toBe('globex');
  });

  it('keeps 1,000 interleaved runs of two tenants to their own rows', async () => {
    const [a, b] = [await seed(rows.acme), await seed(rows.globex)];
    const runs = Array.from({ length: 1000 }, (_, n) => {
      const [tenant, own] = n % 2 ? [rows.acme, a] : [rows.globex, b];
      return rows.as(tenant, async () => {
        await sleep(Math.random() * 20);
        const read = async () => (n % 3 ? await sessions.find() : await transaction.query<{ id: string }>(SELECT));
        const found = n % 5 ? await read() : await transaction.run(async () => (await sleep(1), read()));
        expect(slug()).toBe(tenant.slug);
        expect(found.map((row) => row.id)).toEqual([own.id]);
      });
    });
    await Promise.all(runs);
  });

  it('keeps 200 interleaved requests of two tenants apart, a part of them aborted', async () => {
    const opened = { acme: await t.session('acme'), globex: await t.session('globex') };
    // As many at once are more than a plan lets through.
    await t.database.admin(
      `UPDATE platform.tenants SET settings = settings || '{"limits.concurrent_requests": 400}' WHERE slug IN ('acme', 'globex')`,
    );
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect
      .poll(async () => (await t.app.get(TenantLookUp).bySlug('globex'))?.settings)
      .toMatchObject({ 'limits.concurrent_requests': 400 });
    const requests = Array.from({ length: 200 }, async (_, n) => {
      const tenant = n % 2 ? 'acme' : 'globex';
      await sleep(Math.random() * 100);
      if (n % 10 < 3) return abort(t.port, `/${tenant}/api/sessions/${opened[tenant]}/messages`, (n % 7) * 2);
      const body = { tenant_id: tenant, session_id: opened[tenant], message: `${tenant} ${n}` };
      const answer = await t.request('POST', '/chat', { body });
      expect([answer.status, answer.json.tenant_id]).toEqual([200, tenant]);
      expect(answer.json.reply.toLowerCase()).toContain(tenant);
    });
    await Promise.all(requests);
    const crossed = await t.database.admin(
      `SELECT m.content FROM everywhere.chat_messages m JOIN platform.tenants t ON t.id = m.tenant_id
        WHERE m.role = 'user' AND m.content NOT LIKE t.slug || ' %'`,
    );
    expect(crossed).toEqual([]);
    expect(await t.database.admin(`SELECT 1 FROM everywhere.chat_messages WHERE role = 'user'`)).toHaveLength(140);
    expect((await t.request('GET', `/acme/api/sessions/${opened.acme}`)).json.tenant_id).toBe('acme');
  });
});

describe('a transaction', () => {
  it('is joined by repositories and raw SQL, and by a nested one', async () => {
    await rows.as(rows.acme, () =>
      transaction.run(async () => {
        const [row] = await sessions.insert(await rows.make(rows.source.getMetadata(ChatSession), rows.acme));
        expect(await transaction.query(SELECT)).toEqual([{ id: row?.id }]);
        expect(await transaction.run(() => sessions.count())).toBe(1);
        expect(await stored()).toBe(0);
      }),
    );
    expect(await stored()).toBe(1);
  });

  it('is rolled back when its callback throws', async () => {
    const failing = rows.as(rows.acme, () =>
      transaction.run(async () => {
        await seed();
        await transaction.run(() => seed());
        expect(await sessions.count()).toBe(2);
        throw new Error('changed my mind');
      }),
    );
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await stored()).toBe(0);
  });

  it('throws at commit when a statement in it failed and nobody minded', async () => {
    const failing = rows.as(rows.acme, () =>
      transaction.run(async () => {
        await seed();
        await transaction.query('SELECT 1 / 0').catch(() => undefined);
      }),
    );
    await expect(failing).rejects.toThrow('rolled back');
    expect(await stored()).toBe(0);
  });

  it('refuses what comes after its end from a promise that nobody awaited', async () => {
    let late: Promise<unknown>[] = [];
    await rows.as(rows.acme, () =>
      transaction.run(async () => {
        await seed();
        const verbs: (() => Promise<unknown>)[] = [
          () => sessions.count(),
          () => transaction.query(SELECT),
          () => transaction.run(() => seed()),
        ];
        late = verbs.map((verb) => sleep(50).then(verb));
        late.push(sleep(50).then(() => rows.runner.run(rows.acme, () => sessions.count())));
      }),
    );
    expect(late).toHaveLength(4);
    for (const outcome of await Promise.allSettled(late)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(TenantTransactionEnded) });
    }
  });

  it('refuses a statement that was still waiting for its connection when the end came', async () => {
    const { acme, source } = rows;
    const metadata = source.getMetadata(ChatSession);
    const { id } = await rows.seed(metadata, acme);
    const late: Promise<unknown>[] = [];
    const erase = `DELETE FROM chat_sessions WHERE id = $1`;
    await rows.as(acme, () =>
      transaction.run(() => {
        late.push(transaction.query(erase, [id]));
        return Promise.resolve();
      }),
    );
    for (const end of ['commitTransaction', 'rollbackTransaction'] as const) {
      await rows.as(acme, async () => {
        const runner = source.createQueryRunner();
        await runner.startTransaction();
        late.push(runner.query(erase, [id]));
        await runner[end]();
        // The next unit of work on the same connection must not carry it either.
        await runner.startTransaction();
        await Promise.allSettled(late);
        await runner.query(SELECT);
        await runner.commitTransaction();
        await runner.release();
      });
    }
    expect(late).toHaveLength(3);
    for (const outcome of await Promise.allSettled(late)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(TenantTransactionEnded) });
    }
    expect(await stored()).toBe(1);
  });

  it('is known to assertNone', async () => {
    await rows.as(rows.acme, async () => {
      transaction.assertNone('A model');
      await transaction.run(async () => {
        expect(() => transaction.assertNone('A model')).toThrow(TransactionOpenDuringCall);
        await sessions.count();
        expect(() => transaction.assertNone('A model')).toThrow(TransactionOpenDuringCall);
      });
      transaction.assertNone('A model');
    });
  });

  it('cannot be opened by raw SQL: the statement fails and its connection is thrown away', async () => {
    await expect(rows.as(rows.acme, () => transaction.query('BEGIN'))).rejects.toThrow(/transaction of its own/);
    await seed();
    expect(await rows.as(rows.acme, () => sessions.count())).toBe(1);
    expect(await rows.stored(rows.source.getMetadata(ChatSession), rows.acme)).toHaveLength(1);
    const idle = await t.database.admin(
      `SELECT datname, query FROM pg_stat_activity WHERE state LIKE 'idle in%'
          AND datname IN (SELECT current_database() UNION SELECT name FROM platform.places)`,
    );
    expect(idle).toEqual([]);
  });

  it('leaves nothing of the tenant on its pooled connection', async () => {
    await rows.as(rows.acme, () => transaction.run(() => seed()));
    await rows.as(rows.acme, () => transaction.query('SELECT 1 / 0').catch(() => undefined));
    for (let n = 0; n < 10; n += 1) {
      const client = await rows.source.connections.acquire({ kind: 'shared' });
      const { rows: found } = await client.query(
        `SELECT coalesce(current_setting('app.tenant_id', true), '') AS tenant, (SELECT count(*)::int FROM chat_sessions)`,
      );
      client.release();
      expect(found).toEqual([{ tenant: '', count: 0 }]);
    }
  });
});

const SELECT = 'SELECT id FROM chat_sessions';

async function stored(): Promise<number> {
  return (await t.database.admin('SELECT 1 FROM everywhere.chat_sessions')).length;
}

function abort(port: number, path: string, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false });
    request.on('error', () => resolve());
    request.on('response', (response) => response.resume().on('close', () => resolve()));
    setTimeout(() => request.destroy(), afterMs);
    request.on('close', () => resolve());
  });
}
