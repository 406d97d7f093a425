import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MoveWorker } from '../../src/tenant/index.js';
import { HistoryBench } from '../kit/histories.js';
import { type GatePoint, MoveGates } from '../kit/move-gates.js';
import { moveOf, untilMoved } from '../kit/moves.js';
import { placeTenant, sqlAt } from '../kit/places.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { type Ask, PROXIED, Recording } from '../kit/recording.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';

let t: TestApp;
let admin: SignedInAdmin;
let gates: MoveGates;
const running: TestProcess[] = [];
let backups: { BACKUP_DIR: string };
beforeAll(async () => {
  backups = { BACKUP_DIR: await mkdtemp(path.join(os.tmpdir(), 'tenantry-crash-')) };
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED, ...backups });
  admin = await signInAdmin(t);
  gates = await MoveGates.install(t.database);
  // This process only takes the requests; the work is that of the processes below.
  await t.app.get(MoveWorker).beforeApplicationShutdown();
});
afterEach(async () => {
  for (const started of running.splice(0)) await kill(started);
  await gates.clear();
});
afterAll(async () => {
  await t.close();
  await rm(backups.BACKUP_DIR, { recursive: true, force: true });
});

const eventually = { timeout: 60_000, interval: 10 };

async function start(role: 'worker' | 'api'): Promise<TestProcess> {
  const { adminUrl, env } = t.database;
  const started = await startProcess({
    DATABASE_URL: adminUrl,
    MASTER_KEY: env.masterKey,
    DATA_DIR: env.dataDir,
    ROLE: role,
    ...PROXIED,
    ...backups,
  });
  running.push(started);
  return started;
}

async function kill(victim: TestProcess): Promise<void> {
  victim.child.kill('SIGKILL');
  await victim.exited;
}

async function expectWhole({ acknowledged, sent }: Recording, slug: string): Promise<void> {
  const { id } = await t.tenant(slug);
  const rows = await sqlAt<{ content: string }>(
    t,
    slug,
    `SELECT content FROM chat_messages WHERE role = 'user' AND tenant_id = $1`,
    [id],
  );
  const there = rows.map(({ content }) => content);
  const known = new Set(there);
  expect(there.length - known.size).toBe(0);
  expect(acknowledged.filter((text) => !known.has(text))).toEqual([]);
  expect(there.filter((text) => !sent.has(text))).toEqual([]);
}

/** Each message is in the history once, wherever it was written and whoever copied it. */
async function expectHistoryWhole(slug: string): Promise<void> {
  const { id } = await t.tenant(slug);
  const told = `SELECT count(*)::int AS entries, count(DISTINCT key)::int AS messages FROM history
    WHERE tenant_id = $1 AND relation = 'chat_messages'`;
  const [{ n }] = (await sqlAt<{ n: number }>(
    t,
    slug,
    'SELECT count(*)::int AS n FROM chat_messages WHERE tenant_id = $1',
    [id],
  )) as [{ n: number }];
  expect(await sqlAt(t, slug, told, [id])).toEqual([{ entries: n, messages: n }]);
}

/** Nothing of a move but what it is to leave. */
async function expectNothingLeft(slug: string): Promise<void> {
  const { id } = await t.tenant(slug);
  const triggers = await t.database.admin(`SELECT tgname FROM pg_trigger WHERE tgname LIKE $1`, [
    `capture_move_${id.replaceAll('-', '')}%`,
  ]);
  expect(triggers).toEqual([]);
  expect(await sqlAt(t, slug, 'SELECT 1 FROM changes WHERE tenant_id = $1', [id])).toEqual([]);
  expect(await t.database.admin('SELECT 1 FROM shared.changes WHERE tenant_id = $1', [id])).toEqual([]);
}

const POINTS: GatePoint[] = [
  'step capture',
  'step copy',
  'table chat_messages',
  'step follow',
  'step verify',
  'step switch',
  'closing',
  'registry',
  'step finish',
  'state done',
];

describe('a mover that is killed', () => {
  it.each(POINTS)('at "%s" is followed by another, and no write is lost or doubled', async (point) => {
    const slug = `killed-${POINTS.indexOf(point)}`;
    const isolation = POINTS.indexOf(point) % 2 === 0 ? 'schema' : 'database';
    // Statistics are of a time before the tenant was there.
    await t.database.admin('ANALYZE');
    await placeTenant(admin, slug, { isolation: 'shared' });
    const remembers = POINTS.indexOf(point) % 4 < 2;
    if (remembers) await new HistoryBench(t, admin).keep(slug);
    const writing = await Recording.start(t, slug, 2);
    await gates.trap(slug, point);
    const victim = await start('worker');
    expect((await admin.send('POST', moveOf(slug), { isolation })).status).toBe(202);
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBeGreaterThanOrEqual(1);
    // While the source is being closed there is no time to wait for another worker to start: that holds it no longer than 2 s.
    if (point !== 'closing') await start('worker');
    await kill(victim);
    running.splice(running.indexOf(victim), 1);
    await gates.clear();
    if (point === 'closing') await start('worker');
    const moved = await untilMoved(admin, slug);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writing.stop();
    expect(moved).toMatchObject({ state: 'done', to: { isolation } });
    expect((await t.tenant(slug)).placement.kind).toBe(isolation);
    expect(writing.acknowledged.length).toBeGreaterThan(20);
    await expectWhole(writing, slug);
    await expectNothingLeft(slug);
    if (remembers) await expectHistoryWhole(slug);
    console.log(`${point}: ${writing.acknowledged.length} writes, longest ${Math.round(writing.longestMs)} ms`);
  });

  it('while it takes a move back is followed by another that does so', async () => {
    await placeTenant(admin, 'killed-undoing', { isolation: 'shared' });
    const writing = await Recording.start(t, 'killed-undoing', 2);
    await gates.trap('killed-undoing', 'state aborted');
    await gates.shut('killed-undoing', 'step verify');
    const victim = await start('worker');
    expect((await admin.send('POST', moveOf('killed-undoing'), { isolation: 'schema' })).status).toBe(202);
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBe(1);
    const aborting = admin.send('DELETE', moveOf('killed-undoing'));
    await t.database.admin(`DELETE FROM public.gates WHERE point = 'step verify'`);
    for (const pid of await gates.stopped()) await t.database.admin('SELECT pg_cancel_backend($1)', [pid]);
    expect((await aborting).status).toBe(202);
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBe(1);
    await kill(victim);
    running.splice(0);
    await gates.clear();
    await start('worker');
    expect(await untilMoved(admin, 'killed-undoing')).toMatchObject({ state: 'aborted' });
    await writing.stop();
    await expectWhole(writing, 'killed-undoing');
    await expectNothingLeft('killed-undoing');
  });
});

describe('an API process that is killed', () => {
  it('during a move loses nothing that it has acknowledged', async () => {
    await placeTenant(admin, 'served', { isolation: 'shared' });
    let api = await start('api');
    const ask: Ask = async (path, body, headers) => {
      const answer = await fetch(`http://127.0.0.1:${api.port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return { status: answer.status, text: await answer.text() };
    };
    const writing = await Recording.start(t, 'served', 3, ask);
    await start('worker');
    for (const isolation of ['schema', 'database', 'shared']) {
      expect((await admin.send('POST', moveOf('served'), { isolation })).status).toBe(202);
      await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 1500));
      await kill(api);
      api = await start('api');
      expect(await untilMoved(admin, 'served')).toMatchObject({ state: 'done' });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writing.stop();
    expect(writing.odd.filter((text) => !text.includes('fetch failed') && !text.includes('terminated'))).toEqual([]);
    expect(writing.acknowledged.length).toBeGreaterThan(20);
    await expectWhole(writing, 'served');
    await expectNothingLeft('served');
  });
});
