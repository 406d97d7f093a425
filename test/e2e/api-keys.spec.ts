import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeyStates } from '../../src/auth/api-keys/api-key-states.js';
import { permissions } from '../../src/auth/index.js';
import { holdRows } from '../kit/held-rows.js';
import { impersonate } from '../kit/impersonation.js';
import { bearer, type SignedIn, signIn } from '../kit/sign-in.js';
import { type Answer, createTestApp, serveTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let smtp: TestSmtp;
let t: TestApp;
/** Another process over the same database. */
let other: TestApp;
let owner: SignedIn;
let admin: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  other = await serveTestApp({ ...t.database, drop: () => Promise.resolve() });
  owner = await signIn(t, 'acme', 'owner');
  admin = await signIn(t, 'acme', 'admin');
  globex = await signIn(t, 'globex', 'owner');
});
afterAll(async () => {
  await other?.close();
  await t?.close();
  await smtp.close();
});

interface Made {
  id: string;
  key: string;
  hint: string;
  address_ranges: string[];
  program: SignedIn;
  answer: Answer;
}

async function make(who: SignedIn, body: object = {}, app = t, tenant = 'acme'): Promise<Made> {
  const answer = await who.send('POST', '/api/api-keys', { name: 'bot', permissions: ['session:read'], ...body });
  expect([answer.status, answer.text]).toEqual([201, expect.anything()]);
  const { key, ...view } = answer.json;
  return { ...view, key, program: bearer(app, tenant, key), answer } as Made;
}
const list = (program: SignedIn) => program.get('/api/sessions');
const audits = (id: string) =>
  t.database.admin<Record<string, unknown>>(
    `SELECT event, actor_kind, before, after, details FROM everywhere.audit_events WHERE target_id = $1 ORDER BY id`,
    [id],
  );

describe('an API key of acme', () => {
  it('is shown once, with where it is, and opens what it may', async () => {
    const made = await make(owner, { name: 'Nightly import' });
    expect(made.answer.headers).toMatchObject({ 'cache-control': 'no-store', location: `/api/api-keys/${made.id}` });
    expect(made.key).toMatch(/^tnt_[0-9A-Za-z]{95}$/);
    expect(made.hint).toBe(`${made.key.slice(0, 8)}…${made.key.slice(-4)}`);
    expect((await list(made.program)).status).toBe(200);
    expect((await made.program.send('POST', '/session', {})).json.code).toBe('permission_missing');
    const read = await owner.get(`/api/api-keys/${made.id}`);
    expect(read.json).toMatchObject({
      id: made.id,
      name: 'Nightly import',
      permissions: ['session:read'],
      expires_at: null,
    });
    for (const answer of [read, await owner.get('/api/api-keys')]) {
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.text).not.toContain(made.key);
      expect(answer.text).not.toContain('hash');
    }
    const [row] = await t.database.admin<{ row: string }>(
      'SELECT k::text AS row FROM everywhere.api_keys k WHERE id = $1',
      [made.id],
    );
    expect(row?.row).not.toContain(made.key);
    expect(t.logs.join('')).not.toContain(made.key);
    expect(JSON.stringify(await audits(made.id))).not.toContain(made.key);
  });

  it('is to be found at the address of the tenant that was asked, made and rotated', async () => {
    const { authorization } = owner.headers;
    const send = (path: string, body: object) => t.request('POST', path, { headers: { authorization }, body });
    const made = await send('/acme/api/api-keys', { name: 'prefixed', permissions: [] });
    expect(made.headers.location).toBe(`/acme/api/api-keys/${made.json.id}`);
    const rotated = await send(`/acme/api/api-keys/${made.json.id}/rotate?x=1`, {});
    expect(rotated.headers.location).toBe(`/acme/api/api-keys/${rotated.json.id}`);
    expect((await t.request('GET', rotated.headers.location ?? '', { headers: { authorization } })).status).toBe(200);
  });

  it('with no permission is valid and can do nothing', async () => {
    const { program } = await make(owner, { permissions: [] });
    const answers = [
      await list(program),
      await program.get('/api/api-keys'),
      await program.send('POST', '/session', {}),
    ];
    expect(answers.map(({ status, json }) => [status, json.code])).toEqual(
      answers.map(() => [403, 'permission_missing']),
    );
  });

  it('is of no use at globex, whose owner cannot see, change, rotate or revoke it', async () => {
    const { id, key } = await make(owner);
    expect((await list(bearer(t, 'globex', key))).status).toBe(404);
    expect((await globex.get('/api/api-keys')).json.items).toEqual([]);
    const attempts = [
      await globex.get(`/api/api-keys/${id}`),
      await globex.send('PATCH', `/api/api-keys/${id}`, { name: 'mine' }),
      await globex.send('POST', `/api/api-keys/${id}/rotate`, {}),
      await globex.send('DELETE', `/api/api-keys/${id}`),
    ];
    expect(attempts.map(({ status, json }) => [status, json.code])).toEqual(
      attempts.map(() => [404, 'api_key_not_found']),
    );
    expect((await owner.get('/api/api-keys/nope')).status).toBe(404);
  });

  it('tells its maker by mail that it was made', async () => {
    await make(admin, { name: 'Mailed key' });
    await expect
      .poll(() => smtp.to('admin@acme.example').map(({ subject }) => subject))
      .toContainEqual(expect.stringContaining('Mailed key'));
  });

  it('is made once for one Idempotency-Key', async () => {
    const send = () =>
      t.request('POST', '/api/api-keys', {
        headers: { ...owner.headers, 'idempotency-key': 'make-one' },
        body: { name: 'once', permissions: [] },
      });
    const [first, second] = [await send(), await send()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect(await t.database.admin(`SELECT id FROM everywhere.api_keys WHERE name = 'once'`)).toHaveLength(1);
  });

  it('is listed in pages, newest first', async () => {
    const names = (page: { items: { name: string }[] }) => page.items.map(({ name }) => name);
    for (const name of ['one', 'two', 'three']) await make(globex, { name }, t, 'globex');
    const first = (await globex.get('/api/api-keys?limit=2')).json;
    expect(names(first)).toEqual(['three', 'two']);
    const second = (await globex.get(`/api/api-keys?limit=2&cursor=${first.next_cursor}`)).json;
    expect([names(second), second.next_cursor]).toEqual([['one'], null]);
    expect((await owner.get(`/api/api-keys?cursor=${first.next_cursor}`)).json.code).toBe('cursor_invalid');
  });

  it.each<[string, object, string]>([
    ['a blank name', { name: ' ' }, '/name'],
    ['no name', { name: null }, '/name'],
    ['a NUL in its name', { name: 'a\0b' }, '/name'],
    ['no list of permissions', { permissions: 'session:read' }, '/permissions'],
    ['an unknown permission', { permissions: ['session:read', 'world:rule'] }, '/permissions/1'],
    ['a permission that only people have', { permissions: ['account:manage'] }, '/permissions/0'],
    ['an expiry in the past', { expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
    ['an expiry without an offset', { expires_at: '2090-01-01T00:00:00' }, '/expires_at'],
    ['an expiry that is no time', { expires_at: '2090-02-30T10Z' }, '/expires_at'],
    ['an address instead of a range', { address_ranges: ['192.0.2.1'] }, '/address_ranges/0'],
    ['a range too wide', { address_ranges: ['10.0.0.0/8', '192.0.2.0/33'] }, '/address_ranges/1'],
    ['an octal range', { address_ranges: ['010.0.0.0/8'] }, '/address_ranges/0'],
    ['an IPv4 range as IPv6', { address_ranges: ['::ffff:10.0.0.0/104'] }, '/address_ranges/0'],
    ['ranges that are null', { address_ranges: null }, '/address_ranges'],
  ])('is refused with %s', async (_name, body, pointer) => {
    const { id } = await make(owner);
    for (const [method, path] of [
      ['POST', '/api/api-keys'],
      ['PATCH', `/api/api-keys/${id}`],
    ] as const) {
      const answer = await owner.send(method, path, { name: 'bot', permissions: [], ...body });
      expect([method, answer.status, answer.json.errors?.[0]?.pointer]).toEqual([method, 422, pointer]);
    }
  });

  it('works within its address ranges only', async () => {
    const here = await make(owner, { address_ranges: ['2001:DB8:0::1/32', '127.1.2.3/8'] });
    expect(here.address_ranges).toEqual(['2001:db8::/32', '127.0.0.0/8']);
    expect((await list(here.program)).status).toBe(200);
    await owner.send('PATCH', `/api/api-keys/${here.id}`, { address_ranges: ['192.0.2.0/24'] });
    await expect.poll(async () => (await list(here.program)).json.code, { timeout: 1000 }).toBe('credential_invalid');
  });

  it('ends when it expires', async () => {
    const { program } = await make(owner, { expires_at: new Date(Date.now() + 1500).toISOString() });
    expect((await list(program)).status).toBe(200);
    await expect.poll(async () => (await list(program)).status, { timeout: 5000 }).toBe(401);
  });

  it('works on when the user who made it is disabled and gone, and stays in the list', async () => {
    const { id, program } = await make(await signIn(t, 'acme', 'admin'));
    const [row] = await t.database.admin<{ id: string }>(
      `SELECT created_by AS id FROM everywhere.api_keys WHERE id = $1`,
      [id],
    );
    await t.database.admin(`UPDATE everywhere.users SET status = 'disabled' WHERE id = $1`, [row?.id]);
    await t.database.admin(`SELECT pg_notify('tenantry_auth', '')`);
    await expect.poll(async () => (await list(admin)).status).toBe(401);
    expect((await list(program)).status).toBe(200);
    expect((await owner.get(`/api/api-keys/${id}`)).json.created_by).toBe(row?.id);
    await t.database.admin(`UPDATE everywhere.users SET status = 'active' WHERE id = $1`, [row?.id]);
    await t.database.admin(`SELECT pg_notify('tenantry_auth', '')`);
    await expect.poll(async () => (await list(admin)).status).toBe(200);
  });

  it('has its use noted behind the answer, which a locked row neither delays nor fails', async () => {
    const { id, program } = await make(owner);
    const locked = t.database.admin('BEGIN; SELECT 1 FROM everywhere.api_keys FOR UPDATE; SELECT pg_sleep(1); COMMIT');
    await expect
      .poll(() =>
        t.database.admin(
          `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`,
        ),
      )
      .toHaveLength(1);
    expect((await list(program)).status).toBe(200);
    expect((await owner.get(`/api/api-keys/${id}`)).json).toMatchObject({
      last_used_at: null,
      last_used_address: null,
    });
    await locked;
    await t.app.get(ApiKeyStates, { strict: false }).onApplicationShutdown();
    const used = { last_used_at: expect.any(String), last_used_address: '127.0.0.1' };
    expect((await owner.get(`/api/api-keys/${id}`)).json).toMatchObject(used);
  });
});

describe('changing, rotating and revoking', () => {
  it('a key takes effect within a second in the process that was not asked', async () => {
    const made = await make(owner, { permissions: ['session:read', 'session:write'] });
    const there = bearer(other, 'acme', made.key);
    expect((await there.send('POST', '/session', {})).status).toBe(201);
    expect(
      (await owner.send('PATCH', `/api/api-keys/${made.id}`, { permissions: ['session:read'] })).json,
    ).toMatchObject({
      id: made.id,
      name: 'bot',
      permissions: ['session:read'],
    });
    await expect.poll(async () => (await there.send('POST', '/session', {})).status, { timeout: 1000 }).toBe(403);
    expect((await list(there)).status).toBe(200);

    expect((await owner.send('DELETE', `/api/api-keys/${made.id}`)).status).toBe(204);
    for (const program of [made.program, there]) {
      await expect.poll(async () => (await list(program)).json.code, { timeout: 1000 }).toBe('credential_invalid');
    }
    expect((await owner.send('DELETE', `/api/api-keys/${made.id}`)).status).toBe(404);
    expect((await audits(made.id)).map(({ event }) => event)).toEqual([
      'api-key.created',
      'api-key.changed',
      'api-key.revoked',
    ]);
    const changed = (await audits(made.id))[1];
    expect([changed?.['before'], changed?.['after']]).toEqual([
      { permissions: ['session:read', 'session:write'] },
      { permissions: ['session:read'] },
    ]);
  });

  it('a key is refused by the process that revoked it from the very next request', async () => {
    for (let n = 0; n < 10; n += 1) {
      const { id, program } = await make(owner);
      expect((await list(program)).status).toBe(200);
      await owner.send('DELETE', `/api/api-keys/${id}`);
      expect((await list(program)).json.code).toBe('credential_invalid');
    }
  });

  it('makes a successor of the same reach, and the old key works on for the overlap only', async () => {
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const old = await make(owner, { name: 'turning', address_ranges: ['127.0.0.0/8'], expires_at: expires });
    const rotated = await owner.send('POST', `/api/api-keys/${old.id}/rotate`, { overlap_seconds: 2 });
    expect(rotated.status).toBe(201);
    expect(rotated.headers['location']).toBe(`/api/api-keys/${rotated.json.id}`);
    expect(rotated.json.id).not.toBe(old.id);
    expect(rotated.json).toMatchObject({
      name: 'turning',
      permissions: ['session:read'],
      address_ranges: ['127.0.0.0/8'],
      expires_at: expires,
    });
    const successor = bearer(other, 'acme', rotated.json.key);
    expect([(await list(old.program)).status, (await list(successor)).status]).toEqual([200, 200]);
    await expect.poll(async () => (await list(old.program)).status, { timeout: 5000 }).toBe(401);
    expect((await list(successor)).status).toBe(200);
    expect((await owner.send('POST', `/api/api-keys/${old.id}/rotate`)).json.code).toBe('api_key_expired');
    expect((await audits(rotated.json.id))[0]).toMatchObject({
      event: 'api-key.rotated',
      details: { predecessor: old.id },
    });
  });

  it('never lengthens the life of a key by its overlap', async () => {
    const expires = new Date(Date.now() + 60_000).toISOString();
    const old = await make(owner, { expires_at: expires });
    expect((await owner.send('POST', `/api/api-keys/${old.id}/rotate`)).status).toBe(201);
    expect((await owner.get(`/api/api-keys/${old.id}`)).json.expires_at).toBe(expires);
  });

  it.each([-1, 604_801, 1.5, '60', null])('takes no overlap of %s', async (overlap) => {
    const { id } = await make(owner);
    const answer = await owner.send('POST', `/api/api-keys/${id}/rotate`, { overlap_seconds: overlap });
    expect([answer.status, answer.json.errors[0].pointer]).toEqual([422, '/overlap_seconds']);
  });

  it('is not for members, viewers, or a platform admin who acts as the owner', async () => {
    const { id } = await make(owner);
    for (const role of ['member', 'viewer']) {
      const who = await signIn(t, 'acme', role);
      for (const [method, path] of routes(id))
        expect([role, path, (await who.send(method, path, {})).status]).toEqual([role, path, 403]);
    }
    const support = await impersonate(t, 'acme', 'owner');
    expect((await support.get('/api/auth/me')).status).toBe(200);
    for (const [method, path] of routes(id)) {
      expect([path, (await support.send(method, path, {})).json.code]).toEqual([path, 'refused_under_impersonation']);
    }
  });
});

const routes = (id: string) =>
  [
    ['GET', '/api/api-keys'],
    ['POST', '/api/api-keys'],
    ['GET', `/api/api-keys/${id}`],
    ['PATCH', `/api/api-keys/${id}`],
    ['POST', `/api/api-keys/${id}/rotate`],
    ['DELETE', `/api/api-keys/${id}`],
  ] as const;

describe('nobody gives a key more than they have:', () => {
  it.each<[string, (who: SignedIn, id: string) => Promise<Answer>]>([
    ['makes', (who) => who.send('POST', '/api/api-keys', { name: 'late', permissions: ['session:read'] })],
    ['changes', (who, id) => who.send('PATCH', `/api/api-keys/${id}`, { permissions: ['session:write'] })],
    ['rotates', (who, id) => who.send('POST', `/api/api-keys/${id}/rotate`, {})],
    ['revokes', (who, id) => who.send('DELETE', `/api/api-keys/${id}`)],
  ])('who is demoted at the same moment %s none', async (_what, act) => {
    const { id: tenantId } = await t.tenant('acme');
    const key = await make(owner);
    const admins = await make(owner, { permissions: ['api-key:write', 'session:read', 'session:write'] });
    const [adminId, keyId] = [(await admin.get('/api/auth/me')).json.id as string, admins.id];
    const stored = () =>
      t.database.admin(`SELECT id, permissions, expires_at FROM everywhere.api_keys WHERE tenant_id = $1 ORDER BY id`, [
        tenantId,
      ]);
    const before = await stored();
    // The demotion is under way: written, locked and not committed, so that no cache has heard of it.
    for (const [who, demotion, id] of [
      [admin, `UPDATE everywhere.users SET role = 'member' WHERE id = $1`, adminId],
      [admins.program, `UPDATE everywhere.api_keys SET permissions = permissions WHERE id = $1`, keyId],
    ] as const) {
      await t.app.get(ApiKeyStates, { strict: false }).onApplicationShutdown();
      const held = await holdRows(t.database, demotion, [id]);
      const answering = act(who, key.id);
      await expect.poll(() => held.waiting()).toBeGreaterThan(0);
      if (who === admins.program) {
        await held.release(`UPDATE everywhere.api_keys SET permissions = '{}' WHERE id = '${keyId}'`);
      } else await held.release();
      const answer = await answering;
      expect([answer.status, answer.json.code]).toEqual([403, 'permission_missing']);
    }
    const left = (await stored()).map((row) => (row['id'] === keyId ? { ...row, permissions: [] } : row));
    expect(left).toEqual(before.map((row) => (row['id'] === keyId ? { ...row, permissions: [] } : row)));
    await t.database.admin(`UPDATE everywhere.users SET role = 'admin' WHERE id = $1`, [adminId]);
  });

  it('a key with bounds makes no key that outlives it or works from elsewhere', async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const bounds = { expires_at, address_ranges: ['127.0.0.0/8'] };
    const { id, program } = await make(owner, { permissions: ['api-key:write'], ...bounds });
    const tries: [object, string][] = [
      [{ address_ranges: ['127.0.0.0/8'] }, '/expires_at'],
      [{ ...bounds, expires_at: new Date(Date.parse(expires_at) + 1000).toISOString() }, '/expires_at'],
      [{ expires_at }, '/address_ranges'],
      [{ expires_at, address_ranges: ['127.0.0.0/7'] }, '/address_ranges'],
      [{ expires_at, address_ranges: ['127.0.0.0/8', '::/0'] }, '/address_ranges'],
    ];
    for (const [body, pointer] of tries) {
      const answer = await program.send('POST', '/api/api-keys', { name: 'child', permissions: [], ...body });
      expect([answer.status, answer.json.errors.map((e: { pointer: string }) => e.pointer)]).toEqual([403, [pointer]]);
    }
    for (const change of [{ expires_at: null }, { address_ranges: [] }]) {
      expect((await program.send('PATCH', `/api/api-keys/${id}`, change)).json.code).toBe('grant_exceeds_own');
    }
    const child = await program.send('POST', '/api/api-keys', {
      name: 'child',
      permissions: ['api-key:write'],
      expires_at,
      address_ranges: ['127.0.0.1/32'],
    });
    expect([child.status, child.json.created_by]).toEqual([201, id]);
  });

  it('whatever an actor holds, no key they make, change or rotate holds more', async () => {
    const all = permissions()
      .filter(({ peopleOnly }) => !peopleOnly)
      .map(({ name }) => name);
    const some = fc.subarray(all);
    const step = fc.record({
      verb: fc.constantFrom('make' as const, 'change' as const, 'extend' as const, 'rotate' as const),
      asked: some,
      target: fc.nat(20),
    });
    await fc.assert(
      fc.asyncProperty(
        some,
        fc.array(some, { maxLength: 2 }),
        fc.array(step, { maxLength: 6 }),
        async (own, there, steps) => {
          const held = new Set([...own, 'api-key:write']);
          const { program } = await make(owner, { permissions: [...held] });
          const targets: { id: string; permissions: string[] }[] = [];
          for (const asked of there) targets.push((await make(owner, { permissions: asked })) as never);
          for (const { verb, asked, target } of steps) {
            const at = targets[target % Math.max(targets.length, 1)];
            if (verb !== 'make' && !at) continue;
            const answer =
              verb === 'make'
                ? await program.send('POST', '/api/api-keys', { name: 'x', permissions: asked })
                : verb === 'rotate'
                  ? await program.send('POST', `/api/api-keys/${at?.id}/rotate`, {})
                  : await program.send(
                      'PATCH',
                      `/api/api-keys/${at?.id}`,
                      verb === 'extend' ? { expires_at: null } : { permissions: asked },
                    );
            const wanted = verb === 'make' || verb === 'change' ? asked : (at?.permissions ?? []);
            const allowed = wanted.every((name) => held.has(name));
            expect([verb, answer.status < 300]).toEqual([verb, allowed]);
            if (!allowed) {
              expect(answer.json.code).toBe('grant_exceeds_own');
              continue;
            }
            const stored = (await owner.get(`/api/api-keys/${answer.json.id}`)).json;
            expect(stored.permissions.filter((name: string) => !held.has(name))).toEqual([]);
            if (verb === 'change') Object.assign(at ?? {}, { permissions: asked });
            else if (verb !== 'extend') targets.push(stored);
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});
