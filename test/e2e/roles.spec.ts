import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdRows } from '../kit/held-rows.js';
import { join, program, userId } from '../kit/team.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
let owner: SignedIn;
let admin: SignedIn;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  owner = await signIn(t, 'acme', 'owner');
  admin = await signIn(t, 'acme', 'admin');
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

const compose = (by: SignedIn, name: string, permissions: string[]) =>
  by.send('POST', '/api/roles', { name, permissions });

describe('roles', () => {
  it("are listed, the built-in ones first, then acme's own, and none of globex's", async () => {
    expect((await compose(admin, 'auditor', ['audit:read', 'account:manage'])).status).toBe(201);
    expect((await compose(await signIn(t, 'globex', 'admin'), 'globexian', [])).status).toBe(201);
    const { items, next_cursor } = (await admin.get('/api/roles')).json;
    expect(next_cursor).toBeNull();
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['owner', 'admin', 'member', 'viewer', 'auditor']);
    expect(items[4]).toEqual({
      name: 'auditor',
      description: '',
      built_in: false,
      permissions: ['account:manage', 'audit:read'],
    });
    expect((await admin.get('/api/roles/viewer')).json).toMatchObject({ built_in: true });
    for (const name of ['globexian', 'no-such', 'NOT%20A%20NAME', '%00']) {
      expect((await admin.get(`/api/roles/${name}`)).status).toBe(404);
      expect((await admin.send('PATCH', `/api/roles/${name}`, {})).status).toBe(404);
      expect((await admin.send('DELETE', `/api/roles/${name}`)).status).toBe(404);
    }
  });

  it('built in keep members and viewers from people, keys and the audit log', async () => {
    for (const role of ['member', 'viewer']) {
      const { permissions } = (await admin.get(`/api/roles/${role}`)).json as { permissions: string[] };
      const beyond = /^(user|role|invitation|owner|api-key|audit):/;
      expect(permissions.filter((name) => beyond.test(name))).toEqual([]);
    }
    expect((await owner.send('PATCH', '/api/roles/admin', {})).json.code).toBe('role_built_in');
    expect((await owner.send('DELETE', '/api/roles/admin')).json.code).toBe('role_built_in');
  });

  it('tell which permissions there are and which the caller holds', async () => {
    const { items } = (await admin.get('/api/permissions')).json as { items: { name: string; held: boolean }[] };
    const held = Object.fromEntries(items.map((item) => [item.name, item.held]));
    expect(held).toMatchObject({ 'user:write': true, 'owner:manage': false });
    expect(items.map(({ name }) => name)).toEqual((await owner.get('/api/auth/me')).json.permissions);
  });

  it('are composed only of what there is and what the author holds', async () => {
    const beyond = await compose(admin, 'kingmaker', ['owner:manage']);
    expect([beyond.status, beyond.json.code]).toEqual([403, 'grant_refused']);
    expect(beyond.json.detail).toContain('owner:manage');
    const unknown = await compose(admin, 'dreamer', ['audit:read', 'sky:paint']);
    expect(unknown.status).toBe(422);
    expect(unknown.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/permissions/1']);
    const key = await program(t, 'acme', ['role:write', 'audit:read']);
    expect((await compose(key, 'by-key', ['audit:read', 'user:read'])).status).toBe(403);
    expect((await compose(key, 'by-key', ['audit:read', 'account:manage'])).status).toBe(201);
    expect((await compose(owner, 'kingmaker', ['owner:manage'])).status).toBe(201);
  });

  it('have a name of their own', async () => {
    for (const name of ['owner', 'viewer', 'auditor']) expect((await compose(admin, name, [])).status).toBe(409);
    for (const name of ['', 'Big', '1st', 'a b', '-a', 'a'.repeat(64), 7]) {
      const refused = await compose(admin, name as string, []);
      expect([refused.status, refused.json.errors[0].pointer]).toEqual([422, '/name']);
    }
    const many = await Promise.all(Array.from({ length: 8 }, () => compose(admin, 'race', [])));
    expect(many.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
  });

  it('take effect at once for all who hold them when they change', async () => {
    await compose(owner, 'reader', ['audit:read']);
    const reader = await join(t, smtp, owner, 'reader@acme.example', 'reader');
    expect((await reader.get('/api/audit')).status).toBe(200);
    const changed = await admin.send('PATCH', '/api/roles/reader', { permissions: ['user:read'] });
    expect(changed.json.permissions).toEqual(['account:manage', 'user:read']);
    await expect.poll(async () => (await reader.get('/api/audit')).status, { timeout: 1000 }).toBe(403);
    expect((await reader.get('/api/users')).status).toBe(200);
    const [event] = await t.database.admin<{ before: object; after: object }>(
      `SELECT before, after FROM everywhere.audit_events WHERE event = 'role.changed' AND target_id = 'reader'`,
    );
    expect(event).toMatchObject({ before: { permissions: ['audit:read'] }, after: { permissions: ['user:read'] } });
  });

  it('that hold more than an admin has are out of the admin’s reach, also to make less of', async () => {
    await compose(owner, 'deputy', ['owner:manage', 'user:read']);
    expect((await admin.send('PATCH', '/api/roles/deputy', { permissions: ['user:read'] })).status).toBe(403);
    expect((await admin.send('DELETE', '/api/roles/deputy')).status).toBe(403);
    expect((await admin.send('PATCH', '/api/roles/auditor', { permissions: ['owner:manage'] })).status).toBe(403);
    expect((await owner.send('DELETE', '/api/roles/deputy')).status).toBe(204);
  });

  it('stay while a user or an open invitation holds them', async () => {
    await compose(owner, 'held', ['user:read']);
    await join(t, smtp, owner, 'holder@acme.example', 'held');
    const { id } = (await owner.send('POST', '/api/invitations', { email: 'guest@acme.example', role: 'held' })).json;
    const both = await owner.send('DELETE', '/api/roles/held');
    expect([both.status, both.json.code, both.json.users, both.json.invitations]).toEqual([409, 'role_in_use', 1, 1]);
    await owner.send('DELETE', `/api/invitations/${id}`);
    await owner.send('PATCH', `/api/users/${await userId(t, 'acme', 'holder@acme.example')}`, { role: 'viewer' });
    expect((await owner.send('DELETE', '/api/roles/held')).status).toBe(204);
    expect((await owner.send('DELETE', '/api/roles/held')).status).toBe(404);
  });

  const users = (role: string) =>
    admin.send('POST', '/api/users', { email: `${role}@acme.example`, name: 'Jo Doe', role });
  const invitations = (role: string) => admin.send('POST', '/api/invitations', { email: `${role}@acme.example`, role });

  it.each([
    ['a user', 'given first', users, 201, 409],
    ['a user', 'deleted first', users, 422, 204],
    ['an invitation', 'given first', invitations, 201, 409],
    ['an invitation', 'deleted first', invitations, 422, 204],
  ])('never go away under %s who gets them at that moment: %s', async (kind, order, give, given, removed) => {
    const role = `${kind}-${order}`.replaceAll(' ', '-');
    expect((await compose(owner, role, ['user:read'])).status).toBe(201);
    const held = await holdRows(t.database, 'SELECT 1 FROM everywhere.roles WHERE name = $1 FOR UPDATE', [role]);
    const remove = () => owner.send('DELETE', `/api/roles/${role}`);
    const running = [];
    for (const [index, start] of (removed === 409
      ? [() => give(role), remove]
      : [remove, () => give(role)]
    ).entries()) {
      running.push(start());
      await expect.poll(() => held.waiting()).toBe(index + 1);
    }
    await held.release();
    const statuses = (await Promise.all(running)).map(({ status }) => status);
    expect(statuses).toEqual(removed === 409 ? [given, removed] : [removed, given]);
    const homeless = await t.database.admin(
      `SELECT u.role FROM everywhere.users u WHERE u.role = $1 AND NOT EXISTS (SELECT 1 FROM everywhere.roles WHERE name = $1)`,
      [role],
    );
    expect(homeless).toEqual([]);
  });
});
