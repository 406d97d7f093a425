import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MoveWorker, RestoreWorker, TenantLifecycle, TenantPurge } from '../../src/tenant/index.js';
import { runCommand, schemaErrors } from '../kit/command-line.js';
import { type GatePoint, MoveGates } from '../kit/move-gates.js';
import { placeTenant, sqlAt } from '../kit/places.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { PROXIED } from '../kit/recording.js';
import { backUp, movedBack, restore, restoresOf, untilRestore } from '../kit/restores.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';

let t: TestApp;
let admin: SignedInAdmin;
let gates: MoveGates;
let folder: string;
const running: TestProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-restores-'));
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED, BACKUP_DIR: folder, TENANT_DELETION_GRACE_DAYS: '0' });
  admin = await signInAdmin(t);
  gates = await MoveGates.install(t.database);
  // This process makes backups and takes requests; restores and moves are the work of the processes below.
  await t.app.get(RestoreWorker).beforeApplicationShutdown();
  await t.app.get(MoveWorker).beforeApplicationShutdown();
});
afterEach(async () => {
  for (const started of running.splice(0)) await kill(started);
  await gates.clear();
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

const eventually = { timeout: 60_000, interval: 10 };

async function start(): Promise<TestProcess> {
  const { adminUrl, env } = t.database;
  const started = await startProcess({
    DATABASE_URL: adminUrl,
    MASTER_KEY: env.masterKey,
    DATA_DIR: env.dataDir,
    BACKUP_DIR: folder,
    ROLE: 'worker',
    ...PROXIED,
  });
  running.push(started);
  return started;
}

async function kill(victim: TestProcess): Promise<void> {
  victim.child.kill('SIGKILL');
  await victim.exited;
}

async function chat(slug: string, session: string, message: string): Promise<void> {
  const answer = await t.request('POST', '/chat', { body: { tenant_id: slug, session_id: session, message } });
  expect(answer.status, answer.text).toBe(200);
}

async function messagesOf(slug: string): Promise<string[]> {
  const { id } = await t.tenant(slug);
  const sql = `SELECT content FROM chat_messages WHERE role = 'user' AND tenant_id = $1 ORDER BY id`;
  return (await sqlAt<{ content: string }>(t, slug, sql, [id])).map(({ content }) => content);
}

const POINTS: GatePoint[] = [
  'restore step load',
  'restore step compare',
  'restore state ready',
  'restore step carry',
  'restore step switch',
  'closing',
  'registry',
  'restore step finish',
  'restore state done',
];

describe('a worker that is killed', () => {
  it.each(POINTS)('at "%s" of a restore is followed by another, which brings it to its end', async (point) => {
    const slug = `restored-${POINTS.indexOf(point)}`;
    const isolation = POINTS.indexOf(point) % 2 === 0 ? 'shared' : 'schema';
    await placeTenant(admin, slug, { isolation });
    const session = await t.session(slug);
    await chat(slug, session, 'before');
    const backup = await backUp(admin, slug);
    await chat(slug, session, 'after');
    await gates.trap(slug, point);
    const victim = await start();
    const { json } = await admin.send('POST', restoresOf(slug), { backup_id: backup });
    const swap = async () => {
      const ready = await untilRestore(admin, slug, json.id, 'ready', 'failed');
      expect(ready).toMatchObject({
        difference: { chat_messages: { only_now: 2, only_then: 0, changed: 0, same: 2 } },
      });
      expect((await admin.send('POST', `${restoresOf(slug, json.id)}/swap`, { confirm: slug })).status).toBe(202);
    };
    const early = POINTS.indexOf(point) < 3;
    if (!early) await swap();
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBeGreaterThanOrEqual(1);
    if (point !== 'closing') await start();
    await kill(victim);
    running.splice(running.indexOf(victim), 1);
    await gates.clear();
    if (point === 'closing') await start();
    if (early) await swap();
    const done = await untilRestore(admin, slug, json.id, 'done');
    await movedBack(t, admin, slug, done);
    expect(await messagesOf(slug)).toEqual(['before']);
    expect((await t.tenant(slug)).placement.kind).toBe(isolation);
    await chat(slug, session, 'again');
    expect(await messagesOf(slug)).toEqual(['before', 'again']);
    const { id } = await t.tenant(slug);
    const kept = await t.database.admin(
      `SELECT state, count(*)::int AS n FROM platform.places WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1`,
      [id],
    );
    expect(kept).toEqual(
      isolation === 'shared'
        ? [{ state: 'kept', n: 1 }]
        : [
            { state: 'kept', n: 1 },
            { state: 'used', n: 1 },
          ],
    );
    const audited = await sqlAt<{ n: number }>(
      t,
      slug,
      'SELECT count(DISTINCT id)::int - count(*)::int AS n FROM audit_events WHERE tenant_id = $1',
      [id],
    );
    expect(audited).toEqual([{ n: 0 }]);
  });
});

describe('a restore', () => {
  it('goes with a tenant that is erased while it is open', async () => {
    await placeTenant(admin, 'doomed', { isolation: 'shared' });
    const backup = await backUp(admin, 'doomed');
    await start();
    const ready = await restore(admin, 'doomed', backup);
    const { id } = await t.tenant('doomed');
    const lifecycle = t.app.get(TenantLifecycle);
    await lifecycle.apply('doomed', 'archive');
    await lifecycle.scheduleDeletion('doomed', 'doomed');
    await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE id = $1', [id]);
    await t.app.get(TenantPurge).runDue();
    expect(ready.state).toBe('ready');
    for (const table of ['restores', 'places', 'moves', 'backups']) {
      const sql = `SELECT 1 FROM platform.${table} WHERE tenant_id = $1`;
      await expect.poll(async () => t.database.admin(sql, [id]), eventually).toEqual([]);
    }
  });

  it('is begun, listed, swapped in and discarded by command', { timeout: 240_000 }, async () => {
    const env = testEnv({
      ...ROOT_ENV,
      BACKUP_DIR: folder,
      DATABASE_URL: t.database.adminUrl,
      DATA_DIR: t.database.env.dataDir,
    });
    const tenants = (...args: string[]) => runCommand(env, 'tenants', ...args);
    await placeTenant(admin, 'typed', { isolation: 'schema' });
    const session = await t.session('typed');
    const backup = await backUp(admin, 'typed');
    await chat('typed', session, 'after');
    await start();
    expect((await tenants('restore-swap', 'typed', '--confirm', 'typed')).code).toBe(4);
    expect((await tenants('restore-backup', 'typed', '--backup', 'none')).code).toBe(5);
    const begun = await tenants('restore-backup', 'typed', '--backup', backup, '--wait', '--json');
    expect([begun.code, begun.json?.state], begun.stderr).toEqual([0, 'ready']);
    expect(schemaErrors('RestoreView', begun.json)).toBeUndefined();
    expect((await tenants('restore-discard', 'typed')).code).toBe(0);
    expect((await tenants('restores', 'typed')).stdout).toMatch(/discarded/);
    const shown = await tenants('restore-backup', 'typed', '--backup', backup, '--wait');
    expect(shown.stdout).toMatch(/chat_messages +2 +0 +0 +0/);
    expect((await tenants('restore-swap', 'typed', '--confirm', 'acme')).code).toBe(5);
    const swapped = await tenants('restore-swap', 'typed', '--confirm', 'typed', '--wait');
    expect(swapped.code, swapped.stderr).toBe(0);
    expect(swapped.stdout).toMatch(/state +done/);
    expect(await messagesOf('typed')).toEqual([]);
  });
});
