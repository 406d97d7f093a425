import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlaceMigrator } from '../../src/database/index.js';
import { JobRegistry } from '../../src/jobs/job.registry.js';
import { isolateTable, type Placement, schemaOf } from '../../src/tenancy/index.js';
import { BackupJobs, ErasureProver, HistoryJobs, MoveAftercare, TenantBackups } from '../../src/tenant/index.js';
import { MovePlace } from '../../src/tenant/moves/move.place.js';
import { runCommand } from '../kit/command-line.js';
import { HistoryBench, historyOf } from '../kit/histories.js';
import { move } from '../kit/moves.js';
import { addsColumn, release } from '../kit/place-kit.js';
import { placeTenant } from '../kit/places.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { PROXIED, Recording } from '../kit/recording.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';
import { eraseAtOnce } from '../kit/tenants.js';

let t: TestApp;
let admin: SignedInAdmin;
let bench: HistoryBench;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-history-'));
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED, BACKUP_DIR: folder, TENANT_DELETION_GRACE_DAYS: '0' });
  admin = await signInAdmin(t);
  bench = new HistoryBench(t, admin);
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

const run = { id: 'x', attempt: 1, signal: new AbortController().signal };
const tend = () => bench.asPlatform(() => t.app.get(HistoryJobs).tend(run));
const backUp = (slug: string) =>
  bench.asPlatform(async () => {
    const backups = t.app.get(TenantBackups);
    return (await backups.make((await backups.begin(slug)).id))!;
  });
const chats = async (slug: string, message = 'hello'): Promise<void> => {
  const body = { tenant_id: slug, session_id: await t.session(slug), message };
  expect((await t.request('POST', '/chat', { body })).status).toBe(200);
};
/** Of the capture of histories, anywhere in a database. */
const triggersOf = (placement: Placement, id: string) =>
  bench.at(placement, async (client) => {
    const sql = `SELECT 1 FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
      WHERE c.relnamespace = $1::regnamespace AND g.tgname LIKE 'capture_%' || $2 || '%'`;
    return (await client.query(sql, [schemaOf(placement), id.replaceAll('-', '')])).rows.length;
  });
const keptAt = (placement: Placement, id: string) =>
  bench.at(placement, async (client) => {
    const sql = 'SELECT at FROM history WHERE tenant_id = $1 ORDER BY at';
    return (await client.query<{ at: Date }>(sql, [id])).rows.map(({ at }) => at);
  });

const wherever = [
  ['shared', 'schema'],
  ['schema', 'database'],
  ['database', 'shared'],
  ['shared', 'database'],
  ['database', 'schema'],
  ['schema', 'shared'],
] as const;

describe('a history whose tenant moves while it works', () => {
  it.each(wherever)('goes along from %s to %s, and nothing is missing of it', async (from, to) => {
    const slug = `kept-${from}-to-${to}`;
    await placeTenant(admin, slug, { isolation: from });
    await bench.keep(slug);
    const { id, placement: source } = await t.tenant(slug);
    const base = await bench.load(slug);
    await chats(slug);
    const before = [await bench.moment(), await bench.state(slug)] as const;
    const writing = await Recording.start(t, slug, 3);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await move(admin, slug, { isolation: to })).toMatchObject({ state: 'done' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writing.stop();
    expect(writing.odd).toEqual([]);
    expect(await t.database.admin('SELECT copies FROM platform.moves WHERE tenant_id = $1', [id])).toEqual([
      { copies: 1 },
    ]);
    const after = [await bench.moment(), await bench.state(slug)] as const;
    for (const [until, state] of [before, after]) {
      const target = await bench.clone(id, base);
      expect(await bench.replay(slug, target, until)).toEqual(state);
      await bench.free(target);
    }
    await bench.free(base);
    expect(await triggersOf(source, id)).toBe(0);
    // What the copy has written at the target is no event: each message is captured once, wherever it was written.
    const { placement } = await t.tenant(slug);
    const messages = await bench.at(placement, async (client) => {
      const sql = `SELECT count(*)::int AS n, count(DISTINCT key)::int AS keys FROM history
        WHERE tenant_id = $1 AND relation = 'chat_messages'`;
      return (await client.query(sql, [id])).rows[0] as { n: number; keys: number };
    });
    expect(messages.n).toBe(messages.keys);
    if (from !== 'shared') return;
    await t.database.admin('UPDATE platform.moves SET keep_until = now() WHERE tenant_id = $1', [id]);
    await bench.asPlatform(() => t.app.get(MoveAftercare).dropDue());
    expect(await keptAt(source, id)).toEqual([]);
  });

  it('is switched on after the move when that is under way', async () => {
    await placeTenant(admin, 'patient', { isolation: 'schema' });
    const { id, placement } = await t.tenant('patient');
    const mover = await MovePlace.open(t.database.prepared.url('maintenance', true), placement, id);
    expect((await admin.send('PUT', historyOf('patient'), { days: 3 })).json).toMatchObject({ state: 'starting' });
    await expect(bench.asPlatform(() => t.app.get(HistoryJobs).settle({ tenant_id: id }))).rejects.toThrow('worker');
    expect(await triggersOf(placement, id)).toBe(0);
    await mover.end();
    await bench.keep('patient', 3);
  });
});

describe('a history', () => {
  it('is switched on and off by API, and each is audited', async () => {
    await bench.keep('acme', 5);
    await chats('acme');
    expect((await admin.send('PUT', historyOf('acme'), { days: 6 })).json).toMatchObject({ state: 'on', days: 6 });
    const { json } = await admin.get(historyOf('acme'));
    expect(json.rows).toBeGreaterThan(2);
    expect(json.bytes).toBeGreaterThan(100);
    await bench.drop('acme');
    const { id, placement } = await t.tenant('acme');
    expect([await triggersOf(placement, id), await keptAt(placement, id)]).toEqual([0, []]);
    const events = await t.database.admin(
      `SELECT event, after FROM platform.audit_events WHERE tenant_id = $1 AND event LIKE 'tenant.history%' ORDER BY id`,
      [id],
    );
    expect(events).toEqual([
      { event: 'tenant.history_kept', after: { history_days: 5 } },
      { event: 'tenant.history_kept', after: { history_days: 6 } },
      { event: 'tenant.history_dropped', after: { history_days: null } },
    ]);
    for (const days of [0, 1.5, 4000, null, 'many']) {
      expect((await admin.send('PUT', historyOf('acme'), { days })).status).toBe(422);
    }
  });

  it('that was off in between reaches back to when it was switched on again, and is refused for what was before', async () => {
    await bench.keep('globex');
    const until = await bench.moment();
    const base = await bench.load('globex');
    await bench.replay('globex', base, until);
    await bench.drop('globex');
    await expect(bench.replay('globex', base, until)).rejects.toMatchObject({ code: 'history_not_kept' });
    await chats('globex', 'nobody notes it');
    await bench.keep('globex');
    for (const moment of [until, new Date(0)]) {
      await expect(bench.replay('globex', base, moment)).rejects.toMatchObject({ code: 'history_too_short' });
    }
    const ahead = new Date(Date.now() + 60_000);
    await expect(bench.replay('globex', base, ahead)).rejects.toMatchObject({ code: 'moment_ahead' });
    await bench.free(base);
    const again = await bench.load('globex');
    const now = await bench.moment();
    expect(await bench.replay('globex', again, now)).toEqual(await bench.state('globex'));
    await bench.free(again);
  });

  it('of which triggers are missing is refused, and begins anew', async () => {
    const { id } = await t.tenant('globex');
    const name = `capture_history_${id.replaceAll('-', '')}_w`;
    const until = await bench.moment();
    await t.database.admin(`DROP TRIGGER ${name} ON shared.users`);
    const base = await bench.load('globex');
    await expect(bench.replay('globex', base, until)).rejects.toMatchObject({ code: 'history_broken' });
    const { json: before } = await admin.get(historyOf('globex'));
    await tend();
    await bench.keep('globex');
    expect((await admin.get(historyOf('globex'))).json.since > before.since).toBe(true);
    await expect(bench.replay('globex', base, until)).rejects.toMatchObject({ code: 'history_too_short' });
    await bench.free(base);
  });

  it('goes when its days are over, but for what the backup needs that leads to their beginning', async () => {
    await placeTenant(admin, 'old', { isolation: 'schema' });
    await bench.keep('old', 10);
    const { id, placement } = await t.tenant('old');
    const [first, second, third] = [await backUp('old'), await backUp('old'), await backUp('old')];
    const ago = (days: number) => `now() - ${days} * interval '1 day'`;
    await t.database.admin(`UPDATE platform.histories SET since = ${ago(100)} WHERE tenant_id = $1`, [id]);
    for (const [backup, days] of [
      [first, 60],
      [second, 40],
      [third, 5],
    ] as const) {
      const sql = `UPDATE platform.backups SET made_at = ${ago(days)}, created_at = ${ago(days)} WHERE id = $1`;
      await t.database.admin(sql, [backup.id]);
    }
    await t.database.admin(`DELETE FROM platform.backups WHERE tenant_id = $1 AND id <> ALL ($2)`, [
      id,
      [first.id, second.id, third.id],
    ]);
    await bench.at(placement, (client) =>
      client.query(
        `INSERT INTO history (tenant_id, at, relation, key)
           SELECT $1, now() - d * interval '1 day', 'users', gen_random_uuid() FROM unnest($2::float8[]) d`,
        [id, [90, 60, 42, 40.5, 39, 9, 1]],
      ),
    );
    await tend();
    const days = async () =>
      (await keptAt(placement, id)).map((at) => Math.round((Date.now() - at.getTime()) / 43_200_000) / 2);
    expect((await days()).filter((day) => day >= 1)).toEqual([40.5, 39, 9, 1]);
    // Thirty days, of which the history says nothing.
    await bench.asPlatform(() => t.app.get(BackupJobs).sweep(run));
    expect((await readdir(path.join(folder, id))).sort()).toEqual(
      expect.arrayContaining([`${second.id}.tenant`, `${third.id}.tenant`]),
    );
    expect(await readdir(path.join(folder, id))).not.toContain(`${first.id}.tenant`);
    const { json } = await admin.get(historyOf('old'));
    expect(Date.now() - Date.parse(json.reaches_back_to)).toBeGreaterThan(39 * 86_400_000);
  });

  it('has a table that comes later, and rows from before a column came', async () => {
    await placeTenant(admin, 'migrated', { isolation: 'shared' });
    await bench.keep('migrated');
    const { id } = await t.tenant('migrated');
    const base = await bench.load('migrated');
    await chats('migrated', 'from before');
    const { prepared } = t.database;
    const sql = (text: string, values?: unknown[]) => t.database.admin(text, values);
    const later = release(prepared, [addsColumn('mood', 1763600000900), MakeScratches1763600000901]);
    await later.migrate();
    await sql(`ALTER TABLE shared.chat_messages ALTER COLUMN mood SET DEFAULT 'calm'`);
    const migrator = await PlaceMigrator.connect(prepared.url('migrator', true), later.migrations);
    await migrator.toHead({ schema: schemaOf(base) }).finally(() => migrator.close());
    await sql(`ALTER TABLE ${schemaOf(base)}.chat_messages ALTER COLUMN mood SET DEFAULT 'calm'`);
    await sql(
      `INSERT INTO shared.scratches (tenant_id, id, price, tags, born, weight, document) VALUES
         ($1, gen_random_uuid(), 1.10, '{{a,b},{c,NULL}}', '-infinity', 0.1, 'null'),
         ($1, gen_random_uuid(), 'NaN', '{}', '0001-01-01 BC', 1e-310, NULL),
         ($1, gen_random_uuid(), 123456789012345678901234567890.000100, NULL, '2024-02-29', 'Infinity', '[null]')`,
      [id],
    );
    const until = await bench.moment();
    await sql(`UPDATE shared.chat_messages SET mood = 'calm' WHERE tenant_id = $1`, [id]);
    const state = await bench.state('migrated');
    expect(await bench.replay('migrated', base, until)).toEqual(state);
  });

  it('goes with its tenant, and what is left of it is found', async () => {
    await placeTenant(admin, 'doomed', { isolation: 'shared' });
    await bench.keep('doomed');
    await chats('doomed');
    const { id, placement } = await t.tenant('doomed');
    await eraseAtOnce(t, 'doomed');
    expect([await triggersOf(placement, id), await keptAt(placement, id)]).toEqual([0, []]);
    expect(await t.database.admin('SELECT 1 FROM platform.histories WHERE tenant_id = $1', [id])).toEqual([]);
    const prove = () => t.app.get(ErasureProver).prove('doomed');
    expect((await prove()).found).toEqual([]);
    await t.database.admin(
      `INSERT INTO shared.history (tenant_id, relation, key) VALUES ($1, 'users', gen_random_uuid())`,
      [id],
    );
    expect((await prove()).proven).toBe(false);
    await t.database.admin('DELETE FROM shared.history WHERE tenant_id = $1', [id]);
  });

  it('is switched on, shown and switched off by command', async () => {
    const env = testEnv({
      ...ROOT_ENV,
      BACKUP_DIR: folder,
      DATABASE_URL: t.database.adminUrl,
      DATA_DIR: t.database.env.dataDir,
    });
    const history = (...options: string[]) => runCommand(env, 'tenants', 'history', 'acme', '--json', ...options);
    expect((await history('--days', '2')).json).toMatchObject({ state: 'on', days: 2 });
    expect((await history()).json).toMatchObject({ state: 'on', days: 2, since: expect.any(String) as string });
    expect((await history('--days', 'two')).problem).toMatchObject({ code: 'validation_failed' });
    expect((await history('--off')).json).toEqual({
      state: 'off',
      days: null,
      since: null,
      reaches_back_to: null,
      rows: 0,
      bytes: 0,
    });
  });

  it('is looked after when the engine calls', async () => {
    await bench.asPlatform(() => t.app.get(JobRegistry).get('histories.tend', 'platform').handle(undefined, run));
  });

  it('is refused to sandboxes, and where there are no backups', async () => {
    await t.database.admin(`UPDATE platform.tenants SET kind = 'sandbox' WHERE slug = 'initech'`);
    expect((await admin.send('PUT', historyOf('initech'), { days: 1 })).json).toMatchObject({
      code: 'history_refused',
    });
    await t.database.admin(`UPDATE platform.tenants SET kind = 'production' WHERE slug = 'initech'`);
    expect((await admin.send('PUT', historyOf('nobody'), { days: 1 })).status).toBe(404);
    const other = await createTestApp({ ...ROOT_ENV });
    try {
      const root = await signInAdmin(other);
      const refused = await root.send('PUT', historyOf('acme'), { days: 1 });
      expect([refused.status, refused.json.code]).toEqual([409, 'backups_off']);
    } finally {
      await other.close();
    }
  });
});

/** With types that no table has yet. */
class MakeScratches1763600000901 implements MigrationInterface {
  name = 'MakeScratches1763600000901';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE scratches (tenant_id uuid, id uuid, price numeric, tags text[], born date,
      weight float8, document jsonb, PRIMARY KEY (tenant_id, id))`);
    await isolateTable(runner, 'scratches');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE scratches');
  }
}
