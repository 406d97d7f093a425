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

const WAYS = [
  ['shared', 'schema'],
  ['schema', 'database'],
  ['database', 'shared'],
  ['shared', 'database'],
  ['database', 'schema'],
  ['schema', 'shared'],
] as const;
/** Every step, and every way, once at least. */
const KILLS = POINTS.map((point, index) => [point, ...WAYS[index % WAYS.length]!] as const);

/** Asks the API process that there is. */
function through(served: { by: TestProcess }): Ask {
  return async (path, body, headers) => {
    const answer = await fetch(`http://127.0.0.1:${served.by.port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: answer.status, text: await answer.text() };
  };
}
const LOST = /fetch failed|terminated/;

describe('a mover that is killed, and the process that serves the tenant', () => {
  it.each(KILLS)('at "%s" from %s to %s are followed by others, and no write is lost or doubled', async (...kills) => {
    const [point, from, isolation] = kills;
    const slug = `killed-${POINTS.indexOf(point)}`;
    // Statistics are of a time before the tenant was there.
    await t.database.admin('ANALYZE');
    await placeTenant(admin, slug, { isolation: from });
    const remembers = POINTS.indexOf(point) % 4 < 2;
    if (remembers) await new HistoryBench(t, admin).keep(slug);
    const served = { by: await start('api') };
    const writing = await Recording.start(t, slug, 2, through(served));
    await gates.trap(slug, point);
    const victim = await start('worker');
    expect((await admin.send('POST', moveOf(slug), { isolation })).status).toBe(202);
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBeGreaterThanOrEqual(1);
    // While the source is being closed there is no time to wait for another worker to start: that holds it no longer than 2 s.
    if (point !== 'closing') await start('worker');
    await Promise.all([kill(victim), kill(served.by)]);
    for (const killed of [victim, served.by]) running.splice(running.indexOf(killed), 1);
    await gates.clear();
    if (point === 'closing') await start('worker');
    served.by = await start('api');
    const moved = await untilMoved(admin, slug);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writing.stop();
    expect(moved).toMatchObject({ state: 'done', to: { isolation } });
    expect((await t.tenant(slug)).placement.kind).toBe(isolation);
    expect(writing.odd.filter((text) => !LOST.test(text))).toEqual([]);
    expect(writing.acknowledged.length).toBeGreaterThan(20);
    await expectWhole(writing, slug);
    await expectNothingLeft(slug);
    if (remembers) await expectHistoryWhole(slug);
    console.log(`${point}: ${writing.acknowledged.length} writes, longest ${Math.round(writing.longestMs)} ms`);
  });

  it('while the mover takes a move back, the next one does so', async () => {
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
