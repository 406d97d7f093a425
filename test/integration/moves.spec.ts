import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutboxHandlers } from '../../src/outbox/index.js';
import { type Placement, serverOf, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { MoveAftercare, PlaceKeeper, TenantPurge } from '../../src/tenant/index.js';
import { MoveGates } from '../kit/move-gates.js';
import { move, moveOf, untilMoved } from '../kit/moves.js';
import { addServer, placeTenant, sqlAt, type TestServer } from '../kit/places.js';
import { ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { addEvent, holdTransaction, PROXIED, Recording } from '../kit/recording.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { withDatabase } from '../kit/test-env.js';

let t: TestApp;
let admin: SignedInAdmin;
let other: TestServer;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED });
  admin = await signInAdmin(t);
  other = await addServer(t, 'second');
});
afterAll(async () => {
  await t.app.close();
  await other.drop();
  await t.database.drop();
});

const eventually = { timeout: 20_000, interval: 25 };
const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;

async function chats(slug: string, session: string, message: string): Promise<void> {
  const answer = await t.request('POST', '/chat', { body: { tenant_id: slug, session_id: session, message } });
  expect(answer.status, answer.text).toBe(200);
}

/** Messages that the tenant's users have sent, as its present place has them. */
async function stored(slug: string, server?: TestServer): Promise<string[]> {
  const rows = await sqlAt<{ content: string }>(
    t,
    slug,
    `SELECT content FROM chat_messages WHERE role = 'user' AND tenant_id = $1`,
    [(await t.tenant(slug)).id],
    server,
  );
  return rows.map(({ content }) => content);
}

/** Every acknowledged write is there once, and nothing that was not sent. */
async function expectWhole(recording: Recording, slug: string, server?: TestServer): Promise<void> {
  const there = await stored(slug, server);
  const counts = new Map<string, number>();
  for (const text of there) counts.set(text, (counts.get(text) ?? 0) + 1);
  expect(recording.odd).toEqual([]);
  expect(recording.acknowledged.filter((text) => counts.get(text) !== 1)).toEqual([]);
  expect(there.filter((text) => !recording.sent.has(text))).toEqual([]);
}

/** A table at a place, seen by the superuser. */
function rowsAt(placement: Placement, id: string, table = 'chat_messages', server?: TestServer): Promise<unknown[]> {
  const home = server?.adminUrl ?? t.database.adminUrl;
  const url = placement.kind === 'database' ? withDatabase(home, placement.database) : home;
  const schema = placement.kind === 'schema' ? placement.schema : 'shared';
  return runSql(url, `SELECT * FROM ${schema}.${table} WHERE tenant_id = $1`, [id]);
}

const wherever = [
  ['shared', 'schema'],
  ['schema', 'database'],
  ['database', 'shared'],
  ['shared', 'database'],
  ['database', 'schema'],
  ['schema', 'shared'],
] as const;

describe('a tenant that works while it moves', () => {
  it.each(wherever)('goes from %s to %s and loses, doubles and shows nothing', async (from, to) => {
    const slug = `from-${from}-to-${to}`;
    await placeTenant(admin, slug, { isolation: from });
    const neighbour = await t.session('globex');
    const writing = await Recording.start(t, slug);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const moved = await move(admin, slug, { isolation: to });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writing.stop();
    expect(moved).toMatchObject({ state: 'done', error: null, from: { isolation: from }, to: { isolation: to } });
    expect(moved.steps.every(({ state }: { state: string }) => state === 'done')).toBe(true);
    expect((await admin.get(at(slug))).json).toMatchObject({ status: 'active', isolation: to });
    expect(writing.acknowledged.length).toBeGreaterThan(50);
    await expectWhole(writing, slug);
    expect(moved.pause_ms).toBeLessThan(1500);
    console.log(`${from} to ${to}: ${writing.acknowledged.length} writes, longest ${Math.round(writing.longestMs)} ms`);
    const strangers = await t.request('POST', '/chat', {
      body: { tenant_id: slug, session_id: neighbour, message: 'x' },
    });
    expect(strangers.status).toBe(403);
  });

  it('goes to another server and back, and leaves the other tenants there alone', async () => {
    await placeTenant(admin, 'traveller', { isolation: 'shared' });
    await placeTenant(admin, 'resident', { isolation: 'shared', server: 'second' });
    const home = await t.session('resident');
    await chats('resident', home, 'stays');
    for (const [isolation, server] of [
      ['shared', 'second'],
      ['schema', 'default'],
      ['schema', 'second'],
      ['shared', 'default'],
    ] as const) {
      const writing = await Recording.start(t, 'traveller', 2);
      const was = (await t.tenant('traveller')).placement;
      for (const text of await stored('traveller', serverOf(was) === other.name ? other : undefined))
        writing.sent.add(text);
      const moved = await move(admin, 'traveller', { isolation, server });
      await writing.stop();
      expect(moved).toMatchObject({ state: 'done', to: { isolation, server } });
      await expectWhole(writing, 'traveller', server === 'second' ? other : undefined);
      expect(await stored('resident', other)).toEqual(['stays']);
    }
  });

  it('is told by each of its events once, also of one that is handled during the switch', async () => {
    await placeTenant(admin, 'eventful', { isolation: 'shared' });
    const seen = new Map<number, number>();
    let busy = 0;
    let free = (): void => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    t.app.get(OutboxHandlers).register('test.moves', async ({ payload }) => {
      seen.set(payload as number, (seen.get(payload as number) ?? 0) + 1);
      if (payload === -1) {
        busy += 1;
        await held;
      }
    });
    await addEvent(t, 'eventful', 'test.moves', -1);
    await expect.poll(() => busy, eventually).toBe(1);
    let added = 0;
    let stop = false;
    const adding = (async () => {
      while (!stop) await addEvent(t, 'eventful', 'test.moves', (added += 1));
    })();
    expect(await move(admin, 'eventful', { isolation: 'database' })).toMatchObject({ state: 'done' });
    free();
    stop = true;
    await adding;
    const { placement, id } = await t.tenant('eventful');
    await expect.poll(() => seen.size, eventually).toBe(added + 1);
    await expect.poll(() => rowsAt(placement, id, 'outbox_events'), eventually).toEqual([]);
    expect([...seen].filter(([, times]) => times > 1)).toEqual([]);
  });
});

describe('a process that has not heard of the move', () => {
  it('reads and writes where the tenant is, nothing where it was', async () => {
    await placeTenant(admin, 'unheard', { isolation: 'shared' });
    const late = await secondInstance(t.database);
    try {
      const stale = await late.tenant('unheard');
      const as = <T>(fn: () => Promise<T>) => late.app.get(TenantRunner).run(stale, fn);
      const ask = (sql: string, values?: unknown[]) =>
        as(() => late.app.get(TenantTransaction).query<{ n: number }>(sql, values));
      const session = await t.session('unheard');
      await chats('unheard', session, 'before');
      expect(await move(admin, 'unheard', { isolation: 'schema' })).toMatchObject({ state: 'done' });
      await chats('unheard', session, 'after');
      expect(await ask(`SELECT count(*)::int AS n FROM chat_messages`)).toEqual([{ n: 4 }]);
      await ask(`DELETE FROM chat_messages WHERE content = $1`, ['after']);
      expect(await stored('unheard')).toEqual(['before']);
      expect(await rowsAt(stale.placement, stale.id)).toHaveLength(2);
    } finally {
      await late.app.close();
    }
  });
});

describe('a transaction that is held open', () => {
  const INSERT = `INSERT INTO chat_sessions (tenant_id, id, token_hash)
    VALUES (current_setting('app.tenant_id')::uuid, gen_random_uuid(), decode('beef', 'hex'))`;

  it('across the switch is waited for, and comes along', async () => {
    await placeTenant(admin, 'patient', { isolation: 'shared' });
    const held = holdTransaction(t, 'patient', (transaction) => transaction.query(INSERT));
    await held.open;
    expect((await admin.send('POST', moveOf('patient'), { isolation: 'schema' })).status).toBe(202);
    // The capture waits for it first: what it wrote was before.
    const stepOf = async () => (await admin.get(moveOf('patient'))).json.step;
    await expect.poll(stepOf, eventually).toBe('capture');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await stepOf()).toBe('capture');
    held.letGo();
    await held.committed;
    expect(await untilMoved(admin, 'patient')).toMatchObject({ state: 'done' });
    expect(await sqlAt(t, 'patient', `SELECT 1 FROM chat_sessions WHERE token_hash = '\\xbeef'`)).toHaveLength(1);
  });

  it('that only reads keeps the tenant from being paused for more than moments, and then lets it go', async () => {
    await placeTenant(admin, 'reader', { isolation: 'shared' });
    const session = await t.session('reader');
    const held = holdTransaction(t, 'reader', (transaction) =>
      transaction.query(`SELECT set_config('a.b', 'c', true)`),
    );
    await held.open;
    expect((await admin.send('POST', moveOf('reader'), { isolation: 'schema' })).status).toBe(202);
    await expect
      .poll(async () => (await admin.get(moveOf('reader'))).json.failed_pauses, eventually)
      .toBeGreaterThanOrEqual(2);
    expect((await admin.get(moveOf('reader'))).json).toMatchObject({
      error: 'a transaction of the tenant is held open',
    });
    await chats('reader', session, 'meanwhile');
    held.letGo();
    await held.committed;
    expect(await untilMoved(admin, 'reader')).toMatchObject({ state: 'done', error: null });
    expect(await stored('reader')).toEqual(['meanwhile']);
  });
});

describe('what is left behind', () => {
  it('is closed to the tenant, kept, and dropped when its time is over', async () => {
    await placeTenant(admin, 'leaver', { isolation: 'shared' });
    const session = await t.session('leaver');
    await chats('leaver', session, 'one');
    const { id } = await t.tenant('leaver');
    const places: Placement[] = [];
    for (const isolation of ['schema', 'database', 'shared'] as const) {
      places.push((await t.tenant('leaver')).placement);
      expect(await move(admin, 'leaver', { isolation })).toMatchObject({ state: 'done' });
    }
    const [, schema, database] = places as [Placement, Placement, Placement];
    expect(await rowsAt(schema, id)).toHaveLength(2);
    expect(await rowsAt(database, id)).toHaveLength(2);
    await t.app.get(MoveAftercare).hideDue(0);
    const role = t.database.prepared.roles.name('tenant');
    const name = schema.kind === 'schema' ? schema.schema : '';
    const rights = await t.database.admin(`SELECT has_schema_privilege($1, $2, 'USAGE') AS may`, [role, name]);
    expect(rights).toEqual([{ may: false }]);
    const own = database.kind === 'database' ? database : undefined;
    const url = t.database.prepared.loginUrl(own!.login, true, own!.database);
    await expect(runSql(url, 'SELECT 1')).rejects.toThrow(/permission denied/);
    await t.database.admin('UPDATE platform.moves SET keep_until = now() WHERE tenant_id = $1', [id]);
    await t.app.get(MoveAftercare).dropDue();
    await t.app.get(PlaceKeeper).pass();
    await expect
      .poll(() => t.database.admin('SELECT name FROM platform.places WHERE tenant_id = $1', [id]), eventually)
      .toEqual([]);
    expect(await stored('leaver')).toEqual(['one']);
    const { items } = (await admin.get(at('leaver', '/moves'))).json;
    expect(items.map((one: { kept_until: unknown }) => one.kept_until)).toEqual([null, null, null]);
  });

  it('in shared tables goes row by row, and those of others stay', async () => {
    await placeTenant(admin, 'parter', { isolation: 'shared' });
    await chats('parter', await t.session('parter'), 'one');
    const { id, placement } = await t.tenant('parter');
    const before = await t.database.admin<{ n: number }>(
      'SELECT count(*)::int AS n FROM shared.chat_messages WHERE tenant_id <> $1',
      [id],
    );
    expect(await move(admin, 'parter', { isolation: 'schema' })).toMatchObject({ state: 'done' });
    expect(await rowsAt(placement, id)).toHaveLength(2);
    await t.database.admin('UPDATE platform.moves SET keep_until = now() WHERE tenant_id = $1', [id]);
    await t.app.get(MoveAftercare).dropDue();
    expect(await rowsAt(placement, id)).toEqual([]);
    expect(
      await t.database.admin('SELECT count(*)::int AS n FROM shared.chat_messages WHERE tenant_id <> $1', [id]),
    ).toEqual(before);
    expect(await stored('parter')).toEqual(['one']);
  });

  it('is erased with the tenant, and a move under way with it', async () => {
    await placeTenant(admin, 'doomed', { isolation: 'shared' });
    await chats('doomed', await t.session('doomed'), 'one');
    const { id } = await t.tenant('doomed');
    const left = (await t.tenant('doomed')).placement;
    expect(await move(admin, 'doomed', { isolation: 'database' })).toMatchObject({ state: 'done' });
    const held = holdTransaction(t, 'doomed', (transaction) => transaction.query('SELECT 1'));
    await held.open;
    expect((await admin.send('POST', moveOf('doomed'), { isolation: 'schema' })).status).toBe(202);
    expect((await admin.send('POST', at('doomed', '/archive'))).status).toBe(200);
    await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE id = $1', [id]);
    const purged = t.app.get(TenantPurge).runDue();
    await new Promise((resolve) => setTimeout(resolve, 300));
    held.letGo();
    await held.committed;
    await purged;
    expect(await t.database.admin('SELECT 1 FROM platform.places WHERE tenant_id = $1', [id])).toEqual([]);
    for (const table of ['chat_messages', 'changes', 'users']) {
      expect([table, await rowsAt(left, id, table)]).toEqual([table, []]);
    }
    expect(await t.database.admin('SELECT 1 FROM platform.moves WHERE tenant_id = $1', [id])).toEqual([]);
  });
});

describe('the API of moves', () => {
  it('says what is in the way', async () => {
    await placeTenant(admin, 'asker', { isolation: 'shared' });
    const ask = async (body: object, slug = 'asker') => {
      const { status, json } = await admin.send('POST', moveOf(slug), body);
      return [status, json.code];
    };
    expect(await ask({ isolation: 'shared' })).toEqual([409, 'already_there']);
    expect(await ask({ isolation: 'schema', server: 'nowhere' })).toEqual([422, 'unknown_server']);
    expect((await ask({ isolation: 'cloud' }))[0]).toBe(422);
    expect(await ask({ isolation: 'schema' }, 'nobody')).toEqual([404, 'tenant_unknown']);
    expect((await admin.get(moveOf('asker'))).json.code).toBe('move_not_found');
    expect((await admin.send('DELETE', moveOf('asker'))).json.code).toBe('move_over');
    const held = holdTransaction(t, 'asker', (transaction) => transaction.query('SELECT 1'));
    await held.open;
    const headers = { ...admin.headers, 'idempotency-key': '7a8f6d9c-4b1e-4c3d-9e2f-000000000001' };
    const first = await t.request('POST', moveOf('asker'), { headers, body: { isolation: 'schema' } });
    const again = await t.request('POST', moveOf('asker'), { headers, body: { isolation: 'schema' } });
    expect([first.status, first.headers['location']]).toEqual([202, moveOf('asker')]);
    expect(again.json.id).toBe(first.json.id);
    expect(await ask({ isolation: 'database' })).toEqual([409, 'move_running']);
    expect((await admin.send('DELETE', moveOf('asker'))).status).toBe(202);
    expect(await untilMoved(admin, 'asker')).toMatchObject({ state: 'aborted', error: null });
    held.letGo();
    await held.committed;
    const events = await t.database.admin<{ event: string }>(
      `SELECT event FROM platform.audit_events WHERE tenant_id = $1 AND event LIKE 'tenant.move%' ORDER BY id`,
      [(await t.tenant('asker')).id],
    );
    expect(events.map(({ event }) => event)).toEqual([
      'tenant.move_started',
      'tenant.move_abort_requested',
      'tenant.move_aborted',
    ]);
  });

  it('moves suspended and archived tenants, which stay so', async () => {
    await placeTenant(admin, 'sleeper', { isolation: 'shared' });
    await chats('sleeper', await t.session('sleeper'), 'one');
    await admin.send('POST', at('sleeper', '/suspend'), { reason: 'late' });
    expect(await move(admin, 'sleeper', { isolation: 'schema' })).toMatchObject({ state: 'done' });
    await admin.send('POST', at('sleeper', '/archive'));
    expect(await move(admin, 'sleeper', { isolation: 'shared' })).toMatchObject({ state: 'done' });
    expect((await admin.get(at('sleeper'))).json).toMatchObject({ status: 'archived', isolation: 'shared' });
    expect(await stored('sleeper')).toEqual(['one']);
  });
});

describe('a move that is aborted', () => {
  let gates: MoveGates;
  beforeAll(async () => void (gates = await MoveGates.install(t.database)));

  it.each(['schema', 'database'] as const)('gives up the %s that was made for it', async (isolation) => {
    const slug = `aborted-to-${isolation}`;
    await placeTenant(admin, slug, { isolation: 'shared' });
    const { id } = await t.tenant(slug);
    await gates.shut(slug, 'step copy');
    expect((await admin.send('POST', moveOf(slug), { isolation })).status).toBe(202);
    await expect.poll(async () => (await gates.stopped()).length, eventually).toBe(1);
    const aborting = admin.send('DELETE', moveOf(slug));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await gates.open();
    expect((await aborting).status).toBe(202);
    expect(await untilMoved(admin, slug)).toMatchObject({ state: 'aborted', error: null });
    await t.app.get(PlaceKeeper).pass();
    await expect
      .poll(() => t.database.admin('SELECT name, state FROM platform.places WHERE tenant_id = $1', [id]), eventually)
      .toEqual([]);
  });

  it.each(['step capture', 'step copy', 'table chat_messages', 'step follow', 'step verify', 'step switch'] as const)(
    'at "%s" leaves the tenant where it was, and nothing elsewhere',
    async (point) => {
      const slug = `aborted-${point.replaceAll(/[ _]/g, '-')}`;
      await placeTenant(admin, slug, { isolation: 'schema' });
      const writing = await Recording.start(t, slug, 2);
      const { id, placement } = await t.tenant(slug);
      await gates.shut(slug, point);
      expect((await admin.send('POST', moveOf(slug), { isolation: 'shared' })).status).toBe(202);
      await expect.poll(async () => (await gates.stopped()).length, eventually).toBe(1);
      const aborting = admin.send('DELETE', moveOf(slug));
      // It may have to wait for the row that stands at the gate.
      await new Promise((resolve) => setTimeout(resolve, 100));
      await gates.open();
      expect((await aborting).status).toBe(202);
      expect(await untilMoved(admin, slug)).toMatchObject({ state: 'aborted', error: null });
      await writing.stop();
      expect((await t.tenant(slug)).placement).toEqual(placement);
      await expectWhole(writing, slug);
      expect(await rowsAt({ kind: 'shared' }, id)).toEqual([]);
      expect(await rowsAt(placement, id, 'changes')).toEqual([]);
      expect(await move(admin, slug, { isolation: 'shared' })).toMatchObject({ state: 'done' });
      await expectWhole(writing, slug);
    },
  );
});
