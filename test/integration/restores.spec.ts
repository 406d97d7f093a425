import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EmailDirectory } from '../../src/auth/account/email.directory.js';
import { newId } from '../../src/common/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { PlaceKeeper, RestoreWorker } from '../../src/tenant/index.js';
import { fillTables, rowsOf } from '../kit/filled-tables.js';
import { HistoryBench } from '../kit/histories.js';
import { moveOf } from '../kit/moves.js';
import { placeTenant, sqlAt } from '../kit/places.js';
import { addAdmin, ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { holdTransaction, PROXIED, Recording } from '../kit/recording.js';
import { backUp, differencesOf, restore, restoresOf, swapIn, untilRestore } from '../kit/restores.js';
import { signIn } from '../kit/sign-in.js';
import { program } from '../kit/team.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-restores-'));
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED, BACKUP_DIR: folder });
  admin = await signInAdmin(t);
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

type Rows = Awaited<ReturnType<typeof rowsOf>>;
const STAYING = ['audit_events', 'idempotency_keys', 'outbox_events', 'provisioning_marks'];
const ENDING = ['devices', 'member_mails', 'sso_sign_ins', 'user_tokens'];
const only = (rows: Rows, tables: string[]): Rows =>
  Object.fromEntries(Object.entries(rows).filter(([table]) => tables.includes(table)));
/** What a restore brings back; sealed anew, second factors are other bytes. */
function rewound(rows: Rows): Rows {
  const kept = Object.entries(rows).filter(([table]) => ![...STAYING, ...ENDING].includes(table));
  return Object.fromEntries(
    kept.map(([table, all]) => [table, all.map((row) => ({ ...row, mfa_secret: row['mfa_secret'] ? 'sealed' : '' }))]),
  );
}

/** Everything that is in the place of a restore or about it. */
async function leftOf(slug: string): Promise<unknown[]> {
  const { id } = await t.tenant(slug);
  const left = await t.database.admin(
    `SELECT name AS what FROM platform.places WHERE tenant_id = $1 AND state NOT IN ('used', 'kept')
     UNION ALL SELECT place FROM shared.closures WHERE tenant_id = $1
     UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%' || replace($1::text, '-', '') || '%'
     UNION ALL SELECT id::text FROM shared.changes WHERE tenant_id = $1`,
    [id],
  );
  return left;
}
const untilNothingLeft = (slug: string) =>
  vi.waitFor(
    async () => {
      await t.app.get(PlaceKeeper).pass();
      expect(await leftOf(slug)).toEqual([]);
    },
    { timeout: 20_000 },
  );

describe.each(['shared', 'schema', 'database'] as const)('a tenant in the isolation %s', (isolation) => {
  const slug = `back-${isolation}`;
  let backup: string;
  let then: Rows;
  let changed: Rows;
  let restored: { id: string };
  let gone: { message: string; key: string; session: string };

  beforeAll(async () => {
    await placeTenant(admin, slug, { isolation });
    await fillTables(t, slug);
    backup = await backUp(admin, slug);
    then = await rowsOf(t, slug);
    const { id } = await t.tenant(slug);
    const first = async (table: string): Promise<string> => {
      const [row] = await sqlAt<{ id: string }>(
        t,
        slug,
        `SELECT id FROM ${table} WHERE tenant_id = $1 ORDER BY id LIMIT 1`,
        [id],
      );
      return row!.id;
    };
    gone = {
      message: await first('chat_messages'),
      key: await first('api_keys'),
      session: await first('chat_sessions'),
    };
    await sqlAt(t, slug, 'DELETE FROM chat_messages WHERE tenant_id = $1 AND id = $2', [id, gone.message]);
    await sqlAt(t, slug, 'DELETE FROM api_keys WHERE tenant_id = $1 AND id = $2', [id, gone.key]);
    await sqlAt(t, slug, `UPDATE users SET name = 'Somebody else' WHERE tenant_id = $1 AND mfa_secret IS NOT NULL`, [
      id,
    ]);
    await t.session(slug);
    changed = await rowsOf(t, slug);
  });

  it('is restored beside what it has, and what differs is what was changed', async () => {
    const neighbour = await rowsOf(t, 'globex');
    const ready = await restore(admin, slug, backup);
    expect(ready, JSON.stringify(ready)).toMatchObject({ state: 'ready', backup_id: backup, error: null });
    restored = ready;
    const same = (table: string): number => then[table]!.length;
    const users = then['users']!.filter((row) => row['mfa_secret'] !== null).length;
    const { difference } = ready;
    expect(Object.keys(difference).sort()).toEqual(
      Object.keys(then)
        .filter((table) => !STAYING.includes(table))
        .sort(),
    );
    expect(difference).toMatchObject({
      chat_messages: { only_now: 0, only_then: 1, changed: 0, same: same('chat_messages') - 1 },
      chat_sessions: { only_now: 1, only_then: 0, changed: 0, same: same('chat_sessions') },
      api_keys: { only_now: 0, only_then: 1, changed: 0, same: same('api_keys') - 1 },
      users: { only_now: 0, only_then: 0, changed: users, same: same('users') - users },
      devices: { only_now: same('devices'), only_then: 0, changed: 0, same: 0 },
      roles: { only_now: 0, only_then: 0, changed: 0, same: same('roles') },
    });
    const rows = await differencesOf(admin, slug, ready.id);
    const of = (table: string) => rows.filter((row) => row.table === table);
    expect(of('chat_messages')).toEqual([{ table: 'chat_messages', id: gone.message, kind: 'only_then', columns: [] }]);
    expect(of('users').map(({ kind, columns }) => [kind, columns])).toEqual(Array(users).fill(['changed', ['name']]));
    expect(rows).toEqual(await differencesOf(admin, slug, ready.id, 200));
    const only = (query: string) => admin.get(`${restoresOf(slug, ready.id)}/differences?${query}`);
    expect((await only('table=users&limit=200')).json.items).toEqual(of('users'));
    for (const query of ['table=nonsense', 'table=outbox_events', 'table=']) {
      expect(await only(query)).toMatchObject({ status: 422, json: { errors: [{ pointer: '/table' }] } });
    }
    const total = Object.values(difference as Record<string, Record<string, number>>).reduce(
      (sum, counts) => sum + counts['only_now']! + counts['only_then']! + counts['changed']!,
      0,
    );
    expect(rows).toHaveLength(total);
    // Nobody notices.
    expect(await rowsOf(t, slug)).toEqual(changed);
    expect(await rowsOf(t, 'globex')).toEqual(neighbour);
  });

  it('is restored once at a time, and not moved or swapped by mistake meanwhile', async () => {
    const codeOf = async (method: string, to: string, body?: unknown) => {
      const { status, json } = await admin.send(method, to, body);
      return [status, json.code];
    };
    expect(await codeOf('POST', restoresOf(slug), { backup_id: backup })).toEqual([409, 'restore_open']);
    expect(await codeOf('POST', moveOf(slug), { isolation: isolation === 'shared' ? 'schema' : 'shared' })).toEqual([
      409,
      'restore_open',
    ]);
    const swap = `${restoresOf(slug, restored.id)}/swap`;
    expect(await codeOf('POST', swap, { confirm: 'globex' })).toEqual([422, 'confirmation_mismatch']);
    expect(await codeOf('POST', swap, {})).toEqual([422, 'validation_failed']);
    expect(await codeOf('POST', restoresOf('globex'), { backup_id: backup })).toEqual([404, 'unknown_backup']);
    expect(await codeOf('POST', restoresOf('globex', restored.id) + '/swap', { confirm: 'globex' })).toEqual([
      404,
      'restore_not_found',
    ]);
    expect((await admin.get(restoresOf(slug))).json.items).toHaveLength(1);
  });

  it('has its old rows after the swap, keeps what tells what happened, and is where it was', async () => {
    const neighbour = await rowsOf(t, 'globex');
    const before = await rowsOf(t, slug);
    const done = await swapIn(t, admin, slug, restored.id);
    const after = await rowsOf(t, slug);
    const expected = { ...then, api_keys: then['api_keys']!.filter(({ id }) => id !== gone.key) };
    expect(rewound(after)).toEqual(rewound(expected));
    expect(only(after, ENDING)).toEqual(Object.fromEntries(ENDING.map((table) => [table, []])));
    expect(only(after, STAYING)).toEqual(only(before, STAYING));
    expect((await t.tenant(slug)).placement.kind).toBe(isolation);
    expect(await rowsOf(t, 'globex')).toEqual(neighbour);
    expect(done.undo_backup_id).not.toBeNull();
    const events = await t.database.admin<{ event: string }>(
      `SELECT event FROM platform.audit_events WHERE tenant_id = $1 AND event LIKE 'tenant.restore%' ORDER BY id`,
      [(await t.tenant(slug)).id],
    );
    expect(events.map(({ event }) => event)).toEqual([
      'tenant.restore_started',
      'tenant.restore_swap_requested',
      'tenant.restored_from_backup',
    ]);
  });

  it('can have the restore taken back, and one that is discarded leaves nothing', async () => {
    const before = await rowsOf(t, slug);
    const [{ undo_backup_id: undo }] = (await admin.get(restoresOf(slug))).json.items;
    const left = await leftOf(slug);
    const ready = await restore(admin, slug, undo);
    expect(ready.difference).toMatchObject({
      chat_messages: { only_now: 1, only_then: 0 },
      chat_sessions: { only_now: 0, only_then: 1 },
    });
    const discarded = await admin.send('DELETE', restoresOf(slug, ready.id));
    expect(discarded.status, discarded.text).toBe(202);
    await untilRestore(admin, slug, ready.id, 'discarded');
    await vi.waitFor(
      async () => {
        await t.app.get(PlaceKeeper).pass();
        expect(await leftOf(slug)).toEqual(left);
      },
      { timeout: 20_000 },
    );
    expect(await rowsOf(t, slug)).toEqual(before);
    const again = await admin.send('DELETE', restoresOf(slug, ready.id));
    expect([again.status, again.json.code]).toEqual([409, 'restore_not_ready']);
    expect((await admin.get(`${restoresOf(slug, ready.id)}/differences`)).status).toBe(409);
  });
});

describe('a swap', () => {
  it('lets writers wait, and loses nothing that is acknowledged after it', async () => {
    await placeTenant(admin, 'busy', { isolation: 'shared' });
    const writing = await Recording.start(t, 'busy', 3);
    const backup = await backUp(admin, 'busy');
    const ready = await restore(admin, 'busy', backup);
    const asked = await admin.send('POST', `${restoresOf('busy', ready.id)}/swap`, { confirm: 'busy' });
    expect(asked.status, asked.text).toBe(202);
    await untilRestore(admin, 'busy', ready.id, 'done');
    const from = writing.acknowledged.length + 3;
    await vi.waitFor(() => expect(writing.acknowledged.length).toBeGreaterThan(from + 50), { timeout: 20_000 });
    await writing.stop();
    expect(writing.odd).toEqual([]);
    const rows = await sqlAt<{ content: string }>(
      t,
      'busy',
      `SELECT content FROM chat_messages WHERE role = 'user' AND tenant_id = $1`,
      [(await t.tenant('busy')).id],
    );
    const there = new Set(rows.map(({ content }) => content));
    expect(writing.acknowledged.slice(from).filter((text) => !there.has(text))).toEqual([]);
    expect(writing.longestMs).toBeLessThan(10_000);
  });

  it.each([
    ['has written to the log', 'carry'],
    ['has read', 'switch'],
  ])('waits for a transaction that %s, and loses nothing of it', async (_, step) => {
    const slug = `held-${step}`;
    await placeTenant(admin, slug, { isolation: 'schema' });
    const ready = await restore(admin, slug, await backUp(admin, slug));
    const write = `INSERT INTO audit_events (tenant_id, id, occurred_at, event, actor_kind)
      VALUES (current_setting('app.tenant_id')::uuid, gen_random_uuid(), now(), 'test.late', 'system')`;
    const read = 'SELECT 1 FROM audit_events';
    const held = holdTransaction(t, slug, (transaction) => transaction.query(step === 'carry' ? write : read));
    await held.open;
    const swapped = swapIn(t, admin, slug, ready.id);
    const stepOf = async () => (await admin.get(restoresOf(slug, ready.id))).json.step;
    await expect.poll(stepOf, { timeout: 20_000 }).toBe(step);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await stepOf()).toBe(step);
    held.letGo();
    await held.committed;
    await swapped;
    const late = `SELECT 1 FROM audit_events WHERE tenant_id = $1 AND event = 'test.late'`;
    expect(await sqlAt(t, slug, late, [(await t.tenant(slug)).id])).toHaveLength(step === 'carry' ? 1 : 0);
  });

  it('that cannot be made leaves the tenant as it is and the restore ready, to be swapped in later', async () => {
    await placeTenant(admin, 'kept-out', { isolation: 'schema' });
    const ready = await restore(admin, 'kept-out', await backUp(admin, 'kept-out'));
    const { id, placement } = await t.tenant('kept-out');
    // As if somebody had opened the restored place.
    const [closure] = await t.database.admin<{ place: string }>(
      'DELETE FROM shared.closures WHERE tenant_id = $1 RETURNING place',
      [id],
    );
    expect((await admin.send('POST', `${restoresOf('kept-out', ready.id)}/swap`, { confirm: 'kept-out' })).status).toBe(
      202,
    );
    const refused = await untilRestore(admin, 'kept-out', ready.id, 'ready', 'done');
    expect(refused).toMatchObject({ state: 'ready', error: 'the restored place is open' });
    expect((await t.tenant('kept-out')).placement).toEqual(placement);
    expect((await t.request('POST', '/session', { body: { tenant_id: 'kept-out' } })).status).toBe(201);
    await t.database.admin('INSERT INTO shared.closures (tenant_id, place) VALUES ($1, $2)', [id, closure!.place]);
    const swapped = await swapIn(t, admin, 'kept-out', ready.id);
    expect(swapped.error).toBeNull();
    expect(swapped.undo_backup_id).not.toBe(refused.undo_backup_id);
    expect((await t.tenant('kept-out')).placement).toMatchObject({ schema: closure!.place });
  });

  it('brings back who was there then, and tells the directory of addresses', async () => {
    const address = (name: string) => `${name}@swapped.example`;
    await placeTenant(admin, 'swapped', { isolation: 'schema' });
    const { id } = await t.tenant('swapped');
    const person = (name: string) =>
      sqlAt(
        t,
        'swapped',
        `INSERT INTO users (tenant_id, id, email, email_key, name, role) VALUES ($1, gen_random_uuid(), $2, $2, 'P', 'member')`,
        [id, address(name)],
      );
    await person('then');
    const backup = await backUp(admin, 'swapped');
    await sqlAt(t, 'swapped', 'DELETE FROM users WHERE tenant_id = $1 AND email_key = $2', [id, address('then')]);
    await person('now');
    const ready = await restore(admin, 'swapped', backup);
    expect(ready.difference.users).toMatchObject({ only_now: 1, only_then: 1, changed: 0 });
    const directory = t.app.get(EmailDirectory);
    const known = async (name: string) => (await directory.tenantsOf(address(name))).map(({ slug }) => slug);
    await t.database.admin('INSERT INTO platform.email_directory (email_hmac, tenant_id) VALUES ($1, $2)', [
      directory.hmac(address('now')),
      id,
    ]);
    await swapIn(t, admin, 'swapped', ready.id);
    const asPlatform = <T>(work: () => Promise<T>): Promise<T> => t.app.get(TenantRunner).runAsPlatform('test', work);
    expect(await asPlatform(() => Promise.all([known('then'), known('now')]))).toEqual([['swapped'], []]);
  });

  it('signs everybody out, and does not let in again what was revoked', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    const revoked = await program(t, 'acme', ['user:read']);
    const good = await program(t, 'acme', ['user:read']);
    const backup = await backUp(admin, 'acme');
    for (const caller of [owner, revoked, good]) expect((await caller.get('/api/users')).status).toBe(200);
    const list = await owner.get('/api/api-keys');
    expect(list.status, list.text).toBe(200);
    const keys = await t.database.admin<{ id: string }>(
      `SELECT id FROM everywhere.api_keys WHERE tenant_id = $1 AND name = 'program' ORDER BY id`,
      [(await t.tenant('acme')).id],
    );
    const removed = await owner.send('DELETE', `/api/api-keys/${keys[0]!.id}`);
    expect(removed.status, removed.text).toBe(204);
    expect((await revoked.get('/api/users')).status).toBe(401);
    await swapIn(t, admin, 'acme', (await restore(admin, 'acme', backup)).id);
    const statuses = async () =>
      Promise.all([owner, revoked, good].map(async (caller) => (await caller.get('/api/users')).status));
    await vi.waitFor(async () => expect(await statuses()).toEqual([401, 401, 200]), { timeout: 2000 });
    expect((await (await signIn(t, 'acme', 'owner')).get('/api/users')).status).toBe(200);
  });
});

describe('a moment', () => {
  const now = async () => (await t.database.admin<{ now: Date }>('SELECT clock_timestamp() AS now'))[0]!.now;
  const said = async (slug: string) => {
    const mine = `SELECT content FROM chat_messages WHERE role = 'user' AND tenant_id = $1 ORDER BY id`;
    const rows = await sqlAt<{ content: string }>(t, slug, mine, [(await t.tenant(slug)).id]);
    return rows.map(({ content }) => content);
  };
  const say = async (slug: string, session_id: string, message: string): Promise<void> => {
    const { status, text } = await t.request('POST', '/chat', { body: { tenant_id: slug, session_id, message } });
    expect(status, text).toBe(200);
  };
  const keepHistory = (slug: string) => new HistoryBench(t, admin).keep(slug);

  it.each(['shared', 'schema', 'database'] as const)(
    'is what a tenant in %s goes back to, between two backups, and once more after that',
    async (isolation) => {
      const slug = `moment-${isolation}`;
      await placeTenant(admin, slug, { isolation });
      await keepHistory(slug);
      const session = await t.session(slug);
      for (const message of ['one', 'two']) await say(slug, session, message);
      const moment = await now();
      await say(slug, session, 'three');
      const { id } = await t.tenant(slug);
      await sqlAt(t, slug, `UPDATE chat_messages SET content = 'changed' WHERE content = 'one' AND tenant_id = $1`, [
        id,
      ]);
      await sqlAt(t, slug, `DELETE FROM chat_messages WHERE content = 'two' AND tenant_id = $1`, [id]);
      await backUp(admin, slug);
      const ready = await restore(admin, slug, moment);
      expect(ready, JSON.stringify(ready)).toMatchObject({ state: 'ready', at: moment.toISOString() });
      // Of "three" also the answer.
      expect(ready.difference.chat_messages).toMatchObject({ only_now: 2, only_then: 1, changed: 1 });
      expect(await said(slug)).toEqual(['changed', 'three']);
      await swapIn(t, admin, slug, ready.id);
      expect((await t.tenant(slug)).placement.kind).toBe(isolation);
      expect(await said(slug)).toEqual(['one', 'two']);

      // The history leads on from what was restored.
      await keepHistory(slug);
      expect(await admin.send('POST', restoresOf(slug), { at: moment.toISOString() })).toMatchObject({
        status: 422,
        json: { code: 'history_too_short' },
      });
      await say(slug, session, 'four');
      const later = await now();
      await say(slug, session, 'five');
      const again = await restore(admin, slug, later);
      await swapIn(t, admin, slug, again.id);
      expect(await said(slug)).toEqual(['one', 'two', 'four']);
    },
  );

  it('signs everybody out, also who was signed in by then', async () => {
    await keepHistory('initech');
    const owner = await signIn(t, 'initech', 'owner');
    const moment = await now();
    expect((await owner.get('/api/users')).status).toBe(200);
    await swapIn(t, admin, 'initech', (await restore(admin, 'initech', moment)).id);
    await expect.poll(async () => (await owner.get('/api/users')).status).toBe(401);
    const { id } = await t.tenant('initech');
    expect(await sqlAt(t, 'initech', 'SELECT 1 FROM devices WHERE tenant_id = $1', [id])).toEqual([]);
  });

  it('has to be one that is known', async () => {
    await placeTenant(admin, 'moment-none', { isolation: 'shared' });
    const ask = async (body: object) => {
      const { status, json } = await admin.send('POST', restoresOf('moment-none'), body);
      return [status, json.code];
    };
    const at = new Date().toISOString();
    expect(await ask({ at })).toEqual([409, 'history_not_kept']);
    await keepHistory('moment-none');
    expect(await ask({ at: new Date(Date.now() + 3_600_000).toISOString() })).toEqual([422, 'moment_ahead']);
    expect(await ask({ at: '2001-02-03T04:05:06Z' })).toEqual([422, 'history_too_short']);
    for (const wrong of [
      {},
      { at, backup_id: newId() },
      { at: 'yesterday' },
      { at: '2026-02-30T00:00:00Z' },
      { at: null },
    ]) {
      expect(await ask(wrong), JSON.stringify(wrong)).toEqual([422, 'validation_failed']);
    }
    // Two rules say the same of it.
    const { json } = await admin.send('POST', restoresOf('moment-none'), { at: 'yesterday' });
    expect(json.errors).toMatchObject([{ pointer: '/at' }]);
  });
});

describe('a restore', () => {
  it('of many rows finds each that differs, however far apart, and lists them in pages', async () => {
    await placeTenant(admin, 'large', { isolation: 'shared' });
    await t.session('large');
    const { id } = await t.tenant('large');
    const [visit] = await sqlAt<{ id: string }>(t, 'large', 'SELECT id FROM chat_sessions WHERE tenant_id = $1', [id]);
    const add = `INSERT INTO chat_messages (tenant_id, id, session_id, role, content)
      SELECT $1, ('01990000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, $2, 'user', 'text ' || n
        FROM generate_series($3::int, $4::int, $5::int) n`;
    // Not all numbers, so that some come in between later.
    await sqlAt(t, 'large', add, [id, visit!.id, 2, 30_000, 2]);
    const backup = await backUp(admin, 'large');
    const mine = `tenant_id = $1 AND content LIKE 'text %' AND right(id::text, 12)::int`;
    await sqlAt(t, 'large', `DELETE FROM chat_messages WHERE ${mine} BETWEEN 5000 AND 14999`, [id]);
    await sqlAt(t, 'large', `UPDATE chat_messages SET content = 'changed' WHERE ${mine} % 1000 = 0`, [id]);
    await sqlAt(t, 'large', add, [id, visit!.id, 20_001, 29_999, 2]);
    const ready = await restore(admin, 'large', backup);
    expect(ready.difference.chat_messages).toEqual({ only_now: 5000, only_then: 5000, changed: 20, same: 9980 });
    const rows = await differencesOf(admin, 'large', ready.id, 200);
    const messages = rows.filter(({ table }) => table === 'chat_messages');
    const ids = messages.map((row) => row.id);
    expect([ids.length, new Set(ids).size]).toEqual([10_020, 10_020]);
    expect(ids).toEqual(ids.toSorted());
    const changed = messages.filter(({ kind }) => kind === 'changed');
    expect([changed.length, new Set(changed.flatMap(({ columns }) => columns))]).toEqual([20, new Set(['content'])]);
    await admin.send('DELETE', restoresOf('large', ready.id));
    await untilNothingLeft('large');
  });

  it('of a damaged backup fails, says why, and leaves nothing', async () => {
    const backup = await backUp(admin, 'globex');
    const { id } = await t.tenant('globex');
    const file = path.join(folder, id, `${backup}.tenant`);
    const bytes = await readFile(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(file, bytes);
    expect(await readdir(path.join(folder, id))).toContain(`${backup}.tenant`);
    const answer = await admin.send('POST', restoresOf('globex'), { backup_id: backup });
    const failed = await untilRestore(admin, 'globex', answer.json.id, 'ready', 'failed');
    expect(failed).toMatchObject({ state: 'failed', error: 'backup_damaged' });
    await untilNothingLeft('globex');
    expect((await t.tenant('globex')).placement.kind).toBe('shared');
  });

  it('of a backup by a newer application is refused at once', async () => {
    const backup = await backUp(admin, 'globex');
    await t.database.admin(`UPDATE platform.backups SET migration = 'FromTheFuture9999999999999' WHERE id = $1`, [
      backup,
    ]);
    const answer = await admin.send('POST', restoresOf('globex'), { backup_id: backup });
    expect([answer.status, answer.json.code]).toEqual([409, 'archive_version']);
  });

  it('that nobody swaps in is discarded after a week', async () => {
    const ready = await restore(admin, 'globex', await backUp(admin, 'globex'));
    expect(Date.parse(ready.discard_at) - Date.now()).toBeGreaterThan(6.9 * 24 * 3600 * 1000);
    await t.database.admin('UPDATE platform.restores SET discard_at = now() WHERE id = $1', [ready.id]);
    t.app.get(RestoreWorker).wake();
    await untilRestore(admin, 'globex', ready.id, 'discarded');
    await untilNothingLeft('globex');
  });

  it('can be read by support, and begun, swapped or looked into by admins alone', async () => {
    const support = await addAdmin(t, admin, 'sue', 'support');
    expect((await support.get(restoresOf('globex'))).status).toBe(200);
    const id = '01990000-0000-7000-8000-000000000000';
    for (const [method, rest] of [
      ['POST', ''],
      ['GET', `/${id}/differences`],
      ['POST', `/${id}/swap`],
      ['DELETE', `/${id}`],
    ] as const) {
      expect(
        (await support.send(method, `${restoresOf('globex')}${rest}`, method === 'POST' ? {} : undefined)).status,
      ).toBe(403);
    }
  });
});
