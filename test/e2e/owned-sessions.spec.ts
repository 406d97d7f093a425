import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SessionService } from '../../src/session/index.js';
import { TenantDataSource } from '../../src/tenancy/index.js';
import { impersonate } from '../kit/impersonation.js';
import { bearer, signIn, type SignedIn } from '../kit/sign-in.js';
import { serveTestApp, type TestApp, createTestApp } from '../kit/test-app.js';

let t: TestApp;
/** Another process over the same database. */
let other: TestApp;
let member: SignedIn;
let viewer: SignedIn;
let admin: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  t = await createTestApp();
  other = await serveTestApp({ ...t.database, drop: () => Promise.resolve() });
  [member, viewer, admin, globex] = [
    await signIn(t, 'acme', 'member'),
    await signIn(t, 'acme', 'viewer'),
    await signIn(t, 'acme', 'admin'),
    await signIn(t, 'globex', 'admin'),
  ];
});
afterAll(async () => {
  await other.close();
  await t.close();
});

/** Opens a session; its credential and its UUID. */
async function open(who: SignedIn): Promise<{ credential: string; id: string }> {
  const opened = await who.send('POST', '/session', {});
  expect(opened.status).toBe(201);
  const credential: string = opened.json.session_id;
  return { credential, id: (await who.get(`/api/sessions/${credential}`)).json.id };
}
const say = (who: SignedIn, session: string, message = 'hello') =>
  who.send('POST', '/chat', { session_id: session, message });
const idOf = async (who: SignedIn): Promise<string> => (await who.get('/api/auth/me')).json.id;
const readAny = (id?: string) =>
  t.database.admin<{ actor_name: string; details: Record<string, unknown>; tenant_id: string; target_id: string }>(
    `SELECT tenant_id, actor_name, target_id, details FROM everywhere.audit_events
      WHERE event = 'session.read-any' AND target_id IS NOT DISTINCT FROM $1 ORDER BY id`,
    [id ?? null],
  );
/** What of tenant-owned SQL a piece of work sends. */
async function sqlOf(work: () => Promise<unknown>): Promise<string[]> {
  const spy = vi.spyOn(t.app.get(TenantDataSource).logger, 'logQuery');
  await work();
  const sent = spy.mock.calls.map(([sql]) => sql.trim().split(' ', 3).join(' '));
  spy.mockRestore();
  return sent;
}

describe("a user's session", () => {
  it('is theirs: read, written in and listed by credential or UUID', async () => {
    const { credential, id } = await open(member);
    for (const name of [credential, id]) {
      expect((await say(member, name)).json.session_id).toBe(name);
      const read = await member.get(`/api/sessions/${name}`);
      expect(read.json).toMatchObject({ id, tenant_id: 'acme', user_id: await idOf(member) });
    }
    const messages = await member.get(`/api/sessions/${id}/messages`);
    expect(messages.json.items.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect((await member.get('/api/sessions')).json.items[0]).toMatchObject({ id });
    expect(await readAny(id)).toEqual([]);
  });

  it('is unknown to a colleague, to a program, and at globex, by whatever name', async () => {
    const { credential, id } = await open(member);
    const made = await admin.send('POST', '/api/api-keys', {
      name: 'bot',
      permissions: ['session:read', 'session:write'],
    });
    const program = bearer(t, 'acme', made.json.key);
    const unknown = (await viewer.get('/api/sessions/00000000-0000-7000-8000-000000000000')).json;
    for (const stranger of [viewer, program]) {
      for (const name of [credential, id]) {
        for (const path of [`/api/sessions/${name}`, `/api/sessions/${name}/messages`]) {
          const answer = await stranger.get(path);
          expect([path, answer.status]).toEqual([path, 404]);
          expect(answer.json).toMatchObject({ code: unknown.code, detail: unknown.detail });
        }
      }
      expect((await stranger.get('/api/sessions')).json).toEqual({ items: [], next_cursor: null });
    }
    expect((await say(program, id)).status).toBe(404);
    expect((await program.send('DELETE', `/api/sessions/${id}`)).status).toBe(404);
    expect((await say(await signIn(t, 'acme', 'owner'), id)).status).toBe(404);
    expect((await globex.get(`/api/sessions/${id}`)).status).toBe(404);
    expect((await globex.get(`/api/sessions/${credential}`)).status).toBe(403);
  });

  it('is refused to a visitor who holds its credential, and no UUID opens anything to visitors', async () => {
    const { credential, id } = await open(member);
    const headers = { 'x-tenant-id': 'acme' };
    const asVisitor = [
      await t.request('POST', '/chat', { headers, body: { session_id: credential, message: 'hi' } }),
      await t.request('GET', `/api/sessions/${credential}`, { headers }),
      await t.request('GET', `/api/sessions/${credential}/messages`, { headers }),
      await t.request('GET', '/api/sessions/current', {
        headers: { ...headers, authorization: `Session ${credential}` },
      }),
    ];
    expect(asVisitor.map(({ status, json }) => [status, json.code])).toEqual(
      asVisitor.map(() => [401, 'sign_in_required']),
    );
    expect((await t.request('GET', `/api/sessions/${id}`, { headers })).status).toBe(404);
    const visitors = await t.session('acme');
    expect((await t.request('GET', `/api/sessions/${visitors}`, { headers })).json.user_id).toBeUndefined();
  });

  it('takes a viewer no further than reading', async () => {
    const answer = await viewer.send('POST', '/session', {});
    expect([answer.status, answer.json.code]).toEqual([403, 'permission_missing']);
    const { id } = await open(member);
    await t.database.admin('UPDATE everywhere.chat_sessions SET user_id = $1 WHERE id = $2', [await idOf(viewer), id]);
    const theirs = await signIn(other, 'acme', 'viewer');
    expect((await theirs.get(`/api/sessions/${id}`)).status).toBe(200);
    expect([(await say(theirs, id)).status, (await theirs.send('DELETE', `/api/sessions/${id}`)).status]).toEqual([
      403, 403,
    ]);
  });

  it('is listed in pages, newest first, with a cursor that is of no use for another list', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await open(owner)).id);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = (await owner.get(`/api/sessions?limit=2${cursor && `&cursor=${cursor}`}`)).json;
      seen.push(...page.items.map((item: { id: string }) => item.id));
      cursor = page.next_cursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(ids);
    const first = (await owner.get('/api/sessions?limit=2')).json.next_cursor;
    for (const path of [
      `/api/sessions?all=true&cursor=${first}`,
      '/api/sessions?cursor=nope',
      '/api/sessions?limit=0',
    ]) {
      expect([path, (await owner.get(path)).status]).toEqual([path, 422]);
    }
    expect((await admin.get(`/api/sessions?cursor=${first}`)).json.code).toBe('cursor_invalid');
    await t.database.admin(
      `UPDATE everywhere.chat_sessions SET last_active_at = now() - interval '25 hours' WHERE id = $1`,
      [ids[0]],
    );
    expect((await owner.get('/api/sessions')).json.items.map((item: { id: string }) => item.id)).toEqual(ids.slice(1));
  });

  it('costs no statement more to be known by its UUID than by its credential', async () => {
    const { credential, id } = await open(member);
    for (const name of [credential, id]) {
      await say(member, name);
      expect(await sqlOf(() => say(member, name))).toEqual(['INSERT INTO chat_messages']);
      expect(await sqlOf(() => member.get(`/api/sessions/${name}`))).toEqual(['SELECT id, user_id']);
    }
  });
});

describe('a deleted session', () => {
  it('is gone with its messages, for the process that was not told as well', async () => {
    const { credential, id } = await open(member);
    const elsewhere = await signIn(other, 'acme', 'member');
    for (const name of [id, credential]) expect((await say(elsewhere, name)).status).toBe(200);

    expect((await member.send('DELETE', `/api/sessions/${id}`)).status).toBe(204);
    for (const who of [elsewhere, member]) {
      for (const name of [id, credential]) {
        const answers = [
          await say(who, name),
          await who.get(`/api/sessions/${name}`),
          await who.get(`/api/sessions/${name}/messages`),
        ];
        expect(answers.map(({ status, json }) => [status, json.code])).toEqual(
          answers.map(() => [404, 'session_not_found']),
        );
      }
    }
    expect((await member.send('DELETE', `/api/sessions/${id}`)).status).toBe(404);
    expect(await t.database.admin('SELECT 1 FROM everywhere.chat_messages WHERE session_id = $1', [id])).toEqual([]);
    expect(
      await t.database.admin(
        `SELECT actor_id FROM everywhere.audit_events WHERE event = 'session.deleted' AND target_id = $1`,
        [id],
      ),
    ).toEqual([{ actor_id: await idOf(member) }]);
  });

  it.each(['nope', '00000000-0000-7000-8000-000000000000', '..%2F', '%00'])('is also what %s is', async (id) => {
    expect((await member.send('DELETE', `/api/sessions/${id}`)).status).toBe(404);
  });

  it("is not a colleague's, who cannot delete it, nor the admin's", async () => {
    const { id } = await open(member);
    for (const who of [admin, globex]) expect((await who.send('DELETE', `/api/sessions/${id}`)).status).toBe(404);
    expect((await member.get(`/api/sessions/${id}`)).status).toBe(200);
  });
});

describe('session:read-any', () => {
  it("lets acme's admin read a member's session, and acme's log hold it before the answer", async () => {
    const { id } = await open(member);
    await say(member, id, 'a secret plan');
    expect((await admin.get(`/api/sessions/${id}`)).json.user_id).toBe(await idOf(member));
    expect((await admin.get(`/api/sessions/${id}/messages`)).text).toContain('a secret plan');
    const { id: acme } = await t.tenant('acme');
    const user = await idOf(member);
    const route = (path: string) => ({
      tenant_id: acme,
      actor_name: 'Admin of Acme Corp',
      target_id: id,
      details: { route: path, user },
    });
    expect(await readAny(id)).toEqual([route('/api/sessions/[redacted]'), route('/api/sessions/[redacted]/messages')]);
  });

  it('reads no session when the log cannot be written', async () => {
    const { id } = await open(member);
    await t.database.admin(
      `ALTER TABLE everywhere.audit_events ADD CONSTRAINT closed CHECK (event <> 'session.read-any') NOT VALID`,
    );
    try {
      for (const path of [`/api/sessions/${id}`, `/api/sessions/${id}/messages`, '/api/sessions?all=true']) {
        expect([path, (await admin.get(path)).status]).toEqual([path, 500]);
      }
    } finally {
      await t.database.admin('ALTER TABLE everywhere.audit_events DROP CONSTRAINT closed');
    }
  });

  it("opens a visitor's session by its UUID, and is no right to write in any", async () => {
    const credential = await t.session('acme');
    const { id } = (await t.request('GET', `/acme/api/sessions/${credential}`)).json;
    expect((await admin.get(`/api/sessions/${id}`)).status).toBe(200);
    expect((await say(admin, id)).status).toBe(404);
    expect((await member.get(`/api/sessions/${id}`)).status).toBe(404);
    expect(await readAny(id)).toHaveLength(1);
  });

  it("lists a user's sessions or everybody's, for the record, and nothing of globex", async () => {
    await open(member);
    await open(globex);
    const user = await idOf(member);
    const list = await admin.get(`/api/sessions?user_id=${user}`);
    expect(new Set(list.json.items.map((item: { user_id: string }) => item.user_id))).toEqual(new Set([user]));
    const all = await admin.get('/api/sessions?all=true&limit=100');
    expect(new Set(all.json.items.map((item: { tenant_id: string }) => item.tenant_id))).toEqual(new Set(['acme']));
    expect(all.json.items.length).toBeGreaterThan(list.json.items.length);
    expect((await admin.get(`/api/sessions?user_id=${await idOf(globex)}`)).json.items).toEqual([]);
    const lists = (await readAny()).map(({ details }) => details);
    expect(lists).toEqual(expect.arrayContaining([{ user }, { all: true }]));
    for (const path of [`/api/sessions?user_id=${await idOf(admin)}`, '/api/sessions?all=true']) {
      expect([path, (await member.get(path)).status]).toEqual([path, 403]);
    }
    for (const path of ['/api/sessions?user_id=x', `/api/sessions?all=true&user_id=${user}`, '/api/sessions?all=yes']) {
      expect([path, (await admin.get(path)).status]).toEqual([path, 422]);
    }
  });

  it('does not keep the session of another alive', async () => {
    const { id } = await open(member);
    await t.database.admin(
      `UPDATE everywhere.chat_sessions SET last_active_at = now() - interval '1 hour' WHERE id = $1`,
      [id],
    );
    const lastActive = async (): Promise<number> => {
      // The note is written behind the answer; this is how a shutdown waits for it.
      await other.app.get(SessionService, { strict: false }).onApplicationShutdown();
      const [row] = await t.database.admin<{ at: Date }>(
        'SELECT last_active_at AS at FROM everywhere.chat_sessions WHERE id = $1',
        [id],
      );
      return row?.at.getTime() ?? 0;
    };
    const before = await lastActive();
    const [stranger, theirs] = [await signIn(other, 'acme', 'admin'), await signIn(other, 'acme', 'member')];
    expect((await stranger.get(`/api/sessions/${id}`)).status).toBe(200);
    expect(await lastActive()).toBe(before);
    expect((await theirs.get(`/api/sessions/${id}`)).status).toBe(200);
    expect(await lastActive()).toBeGreaterThan(before);
  });
});

describe('a platform admin who acts as the owner', () => {
  it('reads what is theirs and nothing by session:read-any', async () => {
    const { id } = await open(member);
    const support = await impersonate(t, 'acme', 'owner');
    expect((await support.get('/api/sessions')).status).toBe(200);
    expect((await support.get(`/api/sessions/${id}`)).status).toBe(404);
    expect((await support.get('/api/sessions?all=true')).json.code).toBe('refused_under_impersonation');
    expect(await readAny(id)).toEqual([]);
  });
});

describe('a session that a program opens', () => {
  it('belongs to nobody: its credential opens it, its UUID does not', async () => {
    const made = await admin.send('POST', '/api/api-keys', {
      name: 'kiosk',
      permissions: ['session:read', 'session:write'],
    });
    const program = bearer(t, 'acme', made.json.key);
    const { credential, id } = await open(program);
    expect((await say(program, credential)).status).toBe(200);
    expect((await say(program, id)).status).toBe(404);
    expect((await t.request('GET', `/acme/api/sessions/${credential}`)).status).toBe(200);
    expect((await program.get('/api/sessions')).json.items).toEqual([]);
  });
});

describe('a tenant that takes no visitors', () => {
  it('answers them 401 everywhere, and serves those who are signed in', async () => {
    const session = await t.session('globex');
    const mine = await open(globex);
    await t.database.admin(
      `UPDATE platform.tenants SET settings = settings || '{"chat.public": false}' WHERE slug = 'globex'`,
    );
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    const headers = { 'x-tenant-id': 'globex' };
    const visit = () => t.request('POST', '/session', { headers, body: {} });
    await expect.poll(async () => (await visit()).status).toBe(401);
    const answers = [
      await visit(),
      ...(await Promise.all(
        [session, mine.credential, 'made-up'].flatMap((name) => [
          t.request('POST', '/chat', { headers, body: { session_id: name, message: 'hi' } }),
          t.request('GET', `/api/sessions/${name}`, { headers }),
          t.request('GET', `/api/sessions/${name}/messages`, { headers }),
          t.request('GET', '/api/sessions/current', { headers: { ...headers, authorization: `Session ${name}` } }),
        ]),
      )),
    ];
    expect(answers.map(({ status, json }) => [status, json.code])).toEqual(
      answers.map(() => [401, 'sign_in_required']),
    );
    // Before the body is looked at.
    const odd = await t.request('POST', '/session', { headers, body: { tenant_id: 5 } });
    expect([odd.status, odd.json.code]).toEqual([401, 'sign_in_required']);
    expect((await say(globex, mine.id)).status).toBe(200);
    const opened = await open(globex);
    expect((await say(globex, opened.credential)).status).toBe(200);
  });
});
