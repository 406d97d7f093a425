import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startCapture, stopCapture } from '../../src/database/index.js';
import {
  IsolationLevelRefused,
  type Placement,
  type Tenant,
  TenantDataSource,
  TenantDirectory,
  TenantMoving,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { PlaceBuilder, PlaceStore } from '../../src/tenant/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let acme: Tenant;
let globex: Tenant;
let mover: pg.Client;
let transaction: TenantTransaction;
beforeAll(async () => {
  t = await createTestApp();
  [acme, globex] = await Promise.all([t.tenant('acme'), t.tenant('globex')]);
  mover = new pg.Client({ connectionString: t.database.prepared.url('maintenance', true) });
  await mover.connect();
  transaction = t.app.get(TenantTransaction);
});
afterAll(async () => {
  await mover.end();
  await t.close();
});
beforeEach(async () => {
  await mover.query('ROLLBACK');
  await mover.query('DELETE FROM shared.closures; DELETE FROM shared.changes');
  await t.database.admin('DELETE FROM shared.sent_notices');
});

const as = <T>(tenant: Tenant, work: () => Promise<T>): Promise<T> => t.app.get(TenantRunner).run(tenant, work);
const INSERT = 'INSERT INTO sent_notices (tenant_id, id, sent_at) VALUES ($1, gen_random_uuid(), now())';
const write = (tenant: Tenant) => transaction.query(INSERT, [tenant.id]);
const read = async (): Promise<number> =>
  (await transaction.query<{ n: number }>('SELECT count(*)::int AS n FROM sent_notices'))[0]!.n;
const rowsIn = async (schema: string): Promise<number> =>
  (await t.database.admin<{ n: number }>(`SELECT count(*)::int AS n FROM ${schema}.sent_notices`))[0]!.n;

const PAUSE = 'SELECT pg_advisory_xact_lock(shared.fence_key($1))';
const CLOSE = `INSERT INTO shared.closures (tenant_id, place) VALUES ($1, 'shared') ON CONFLICT DO NOTHING`;

/** Says where acme is, as a move would, to nobody but the registry. */
async function settle(placement: Placement): Promise<void> {
  await t.database.admin('UPDATE platform.tenants SET placement = $2 WHERE id = $1', [acme.id, placement]);
}

async function newSchema(): Promise<Placement & { kind: 'schema' }> {
  const place = await t.app.get(PlaceStore).plan({ kind: 'schema', server: 'default', tenantId: acme.id });
  await t.app.get(PlaceBuilder).build(place);
  return { kind: 'schema', schema: place.name };
}

describe('while acme is paused', () => {
  it('its statements and transactions wait without holding a connection, and globex does not', async () => {
    await mover.query('BEGIN');
    await mover.query(PAUSE, [acme.id]);
    let ended = 0;
    const waiting = [
      as(acme, () => write(acme)),
      as(acme, () => transaction.run(async () => void (await Promise.all([write(acme), write(acme)])))),
      as(acme, read),
    ].map((work) => work.then(() => (ended += 1)));
    await sleep(300);
    expect(ended).toBe(0);
    const { connections } = t.app.get(TenantDataSource);
    await expect.poll(() => connections.counts().total - connections.counts().idle).toBe(0);
    await as(globex, () => write(globex));
    await mover.query('ROLLBACK');
    await Promise.all(waiting);
    expect(await as(acme, read)).toBe(3);
  });

  it('answers 503 with Retry-After when it takes too long', async () => {
    const body = { tenant_id: 'acme', session_id: await t.session('acme'), message: 'hello' };
    await mover.query('BEGIN');
    await mover.query(PAUSE, [acme.id]);
    const answer = await t.request('POST', '/chat', { body });
    await mover.query('ROLLBACK');
    expect(answer.status, answer.text).toBe(503);
    expect(answer.json.code).toBe('tenant_moving');
    expect(answer.headers['retry-after']).toBe('2');
  });
});

describe('the pause', () => {
  it('begins only when a transaction that was open before has ended', async () => {
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    let begun = (): void => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const open = as(acme, () =>
      transaction.run(async () => {
        await write(acme);
        begun();
        await held;
        await write(acme);
      }),
    );
    await started;
    await mover.query('BEGIN');
    await mover.query(`SET LOCAL lock_timeout = 300`);
    await expect(mover.query(PAUSE, [acme.id])).rejects.toMatchObject({ code: '55P03' });
    await mover.query('ROLLBACK');
    await mover.query('BEGIN');
    const paused = mover.query(PAUSE, [acme.id]);
    await sleep(50);
    go();
    await open;
    await paused;
    await mover.query('ROLLBACK');
    expect(await as(acme, read)).toBe(2);
  });

  it('keeps out whatever comes after it has closed the place, however they race', async () => {
    let stop = false;
    let acknowledged = 0;
    const writers = Array.from({ length: 6 }, async (_, at) => {
      while (!stop) {
        const work = at % 2 === 0 ? () => write(acme) : () => transaction.run(async () => void (await write(acme)));
        await as(acme, work);
        acknowledged += 1;
      }
    });
    for (let round = 0; round < 40; round += 1) {
      await mover.query('BEGIN');
      await mover.query(PAUSE, [acme.id]);
      await mover.query(CLOSE, [acme.id]);
      const { rows } = await mover.query<{ n: number }>('SELECT count(*)::int AS n FROM shared.sent_notices');
      await mover.query('COMMIT');
      await sleep(8);
      expect(await rowsIn('shared')).toBe(rows[0]!.n);
      await mover.query('DELETE FROM shared.closures');
      await sleep(4);
    }
    stop = true;
    await Promise.all(writers);
    expect(acknowledged).toBeGreaterThan(40);
    expect(await rowsIn('shared')).toBe(acknowledged);
  });
});

describe('the entry', () => {
  it('sees what was committed until it got its lock, not what its statement began with', async () => {
    const late = new pg.Client({ connectionString: t.database.prepared.url('tenant', true) });
    await late.connect();
    const entered = late.query(`SELECT pg_sleep(0.4), shared.enter($1, 'shared')`, [acme.id]);
    const refused = expect(entered).rejects.toMatchObject({ code: 'TN001' });
    await sleep(100);
    await mover.query('BEGIN');
    await mover.query(PAUSE, [acme.id]);
    await mover.query(CLOSE, [acme.id]);
    await mover.query('COMMIT');
    await refused;
    await late.end();
  });
});

describe('a process that has not heard that acme moved', () => {
  it('finds its place closed and follows it, reads included, in one statement and in transactions', async () => {
    const schema = await newSchema();
    await as(acme, () => write(acme));
    await mover.query(CLOSE, [acme.id]);
    await settle(schema);
    const look = vi.spyOn(t.app.get(TenantDirectory), 'findById');
    expect(await as(acme, read)).toBe(0);
    await as(acme, () => write(acme));
    await as(acme, () => transaction.run(async () => void (await Promise.all([write(acme), write(acme)]))));
    await as(acme, async () => {
      await write(acme);
      look.mockClear();
      // The scope knows by now.
      await write(acme);
      expect(look).not.toHaveBeenCalled();
    });
    look.mockRestore();
    expect([await rowsIn('shared'), await rowsIn(schema.schema)]).toEqual([1, 5]);
    await settle({ kind: 'shared' });
  });

  it('waits when its place is closed and the new one is not told yet', async () => {
    const schema = await newSchema();
    await mover.query(CLOSE, [acme.id]);
    const written = as(acme, () => write(acme));
    await sleep(200);
    await settle(schema);
    await written;
    expect([await rowsIn('shared'), await rowsIn(schema.schema)]).toEqual([0, 1]);
    await settle({ kind: 'shared' });
  });

  it('does nothing and says so when the tenant arrives nowhere', async () => {
    await mover.query(CLOSE, [acme.id]);
    await expect(as(acme, () => transaction.run(() => write(acme)))).rejects.toBeInstanceOf(TenantMoving);
    expect(await rowsIn('shared')).toBe(0);
  });
});

describe('the tables of moves', () => {
  it('are read and written by maintenance; the tenant role sees its closures and adds its changes', async () => {
    await expect(as(acme, () => transaction.query('SELECT 1 FROM shared.closures'))).resolves.toEqual([]);
    await mover.query(`INSERT INTO shared.closures (tenant_id, place) VALUES ($1, 'elsewhere')`, [globex.id]);
    await expect(as(acme, () => transaction.query('SELECT 1 FROM shared.closures'))).resolves.toEqual([]);
    for (const sql of [
      'DELETE FROM shared.closures',
      'SELECT 1 FROM shared.changes',
      'DELETE FROM shared.changes',
      'SELECT 1 FROM shared.history',
      'DELETE FROM shared.history',
    ]) {
      await expect(as(acme, () => transaction.query(sql))).rejects.toThrow(/permission denied/);
    }
  });

  it('refuses a snapshot that would be older than the entry', async () => {
    const runner = t.app.get(TenantDataSource).createQueryRunner();
    await expect(as(acme, () => runner.startTransaction('REPEATABLE READ'))).rejects.toBeInstanceOf(
      IsolationLevelRefused,
    );
    await runner.release();
  });
});

describe('the capture of changes', () => {
  it('is switched on for one tenant, and keeps each change of it until it is switched off', async () => {
    const migrator = new pg.Client({ connectionString: t.database.prepared.url('migrator', true) });
    await migrator.connect();
    const capture = { schema: 'shared', tenantId: acme.id, purpose: 'history' } as const;
    await startCapture(migrator, capture);
    await startCapture(migrator, capture);
    await as(globex, () => write(globex));
    await as(acme, () => write(acme));
    await as(acme, () => transaction.query(`UPDATE sent_notices SET sent_at = '2001-02-03'`));
    await as(acme, () => transaction.query('DELETE FROM sent_notices'));
    await stopCapture(migrator, capture);
    await as(acme, () => write(acme));
    await migrator.end();
    const { rows } = await mover.query(
      `SELECT tenant_id, relation, left(row->>'sent_at', 10) AS day FROM shared.history ORDER BY seq`,
    );
    const change = { tenant_id: acme.id, relation: 'sent_notices' };
    expect(rows).toMatchObject([
      { ...change, day: expect.any(String) as string },
      { ...change, day: '2001-02-03' },
      { ...change, day: null },
    ]);
  });

  it('has a vacuum that nobody asked for give way', async () => {
    const migrator = new pg.Client({ connectionString: t.database.prepared.url('migrator', true) });
    await migrator.connect();
    // So slow that it would take an hour.
    await migrator.query(`ALTER TABLE shared.sent_notices SET (autovacuum_vacuum_insert_threshold = 1,
      autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`);
    await t.database.admin(
      `INSERT INTO shared.sent_notices (tenant_id, id, sent_at)
         SELECT $1, gen_random_uuid(), now() FROM generate_series(1, 20000)`,
      [globex.id],
    );
    const ofServer = (sql: string) => t.database.admin(sql);
    await ofServer('ALTER SYSTEM SET autovacuum_naptime = 1');
    await ofServer('SELECT pg_reload_conf()');
    const vacuums = () =>
      t.database.admin(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'autovacuum: % shared.sent_notices%'`);
    try {
      await expect.poll(vacuums, { timeout: 90_000, interval: 100 }).toHaveLength(1);
      const capture = { schema: 'shared', tenantId: acme.id, purpose: 'history' } as const;
      await startCapture(migrator, capture);
      await expect.poll(vacuums, { timeout: 90_000, interval: 100 }).toHaveLength(1);
      await stopCapture(migrator, capture);
    } finally {
      await ofServer('ALTER SYSTEM RESET autovacuum_naptime');
      await ofServer('SELECT pg_reload_conf()');
      await migrator.query(`ALTER TABLE shared.sent_notices RESET (autovacuum_vacuum_insert_threshold,
        autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_cost_delay, autovacuum_vacuum_cost_limit)`);
      await migrator.end();
    }
  });
});
