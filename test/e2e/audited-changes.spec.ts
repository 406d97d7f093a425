import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newPerson } from '../kit/people.js';
import { ROOT_ENV, signInAdmin, type SignedInAdmin } from '../kit/platform.js';
import { signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { type Answer, createTestApp, type TestApp } from '../kit/test-app.js';

const TENANT = ['users', 'roles', 'invitations', 'api_keys', 'devices', 'user_tokens', 'chat_sessions', 'member_mails'];
const PLATFORM = ['platform_admins', 'platform_devices', 'impersonations'];

let t: TestApp;
let owner: SignedIn;
let root: SignedInAdmin;
/** What the changes are made to. */
const made = { user: '', role: 'keeper', invitation: '', key: '', session: '', device: '', admin: '', email: '' };
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  owner = await signIn(t, 'acme', 'owner');
  root = await signInAdmin(t);
  ({ id: made.user, email: made.email } = await newPerson(t, 'acme'));
  await owner.send('POST', '/api/roles', { name: made.role, permissions: [] });
  const invited = await owner.send('POST', '/api/invitations', { email: 'open@acme.example', role: 'member' });
  made.invitation = invited.json.id;
  made.key = (await owner.send('POST', '/api/api-keys', { name: 'bot', permissions: [] })).json.id;
  const { session_id } = (await owner.send('POST', '/session', {})).json;
  made.session = (await owner.get(`/api/sessions/${session_id}`)).json.id;
  await signIn(t, 'acme', 'owner');
  made.device = (await owner.get('/api/auth/devices')).json.items[0].id;
  const admin = { email: 'second@platform.example', name: 'Second', role: 'support' };
  made.admin = (await root.send('POST', '/api/admin/admins', admin)).json.id;
  for (const schema of ['everywhere', 'platform']) {
    await t.database.admin(`CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$`);
    await t.database.admin(
      `CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.audit_events FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`,
    );
  }
});
afterAll(() => t.close());

/** Every row of these tables, to be compared. */
async function rows(schema: string, tables: string[]): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const table of tables) {
    const found = await t.database.admin<{ row: string }>(`SELECT r::text AS row FROM ${schema}.${table} r ORDER BY 1`);
    all[table] = found.map(({ row }) => row);
  }
  return all;
}

const PASSWORD = 'demo-password';

// Each of them is refused by the log alone: the last test makes sure that it goes through without.
const CHANGES: [what: string, change: () => Promise<Answer>][] = [
  ['adding a person', () => owner.send('POST', '/api/users', { email: 'n@acme.example', name: 'N', role: 'viewer' })],
  ['changing a person', () => owner.send('PATCH', `/api/users/${made.user}`, { name: 'Other', role: 'viewer' })],
  ['changing an address', () => owner.send('PATCH', `/api/users/${made.user}`, { email: 'x@acme.example' })],
  ['disabling a person', () => owner.send('PATCH', `/api/users/${made.user}`, { status: 'disabled' })],
  ['composing a role', () => owner.send('POST', '/api/roles', { name: 'fresh', permissions: [] })],
  ['changing a role', () => owner.send('PATCH', `/api/roles/${made.role}`, { permissions: ['session:read'] })],
  ['inviting', () => owner.send('POST', '/api/invitations', { email: 'i@acme.example', role: 'viewer' })],
  ['inviting again', () => owner.send('POST', `/api/invitations/${made.invitation}/resend`)],
  ['making a key', () => owner.send('POST', '/api/api-keys', { name: 'new', permissions: [] })],
  ['changing a key', () => owner.send('PATCH', `/api/api-keys/${made.key}`, { name: 'Other' })],
  ['rotating a key', () => owner.send('POST', `/api/api-keys/${made.key}/rotate`, {})],
  ['renaming oneself', () => owner.send('PATCH', '/api/auth/me', { name: 'Other' })],
  [
    'asking for another address',
    () => owner.send('POST', '/api/auth/change-email', { email: 'y@acme.example', current_password: PASSWORD }),
  ],
  ['signing in', () => t.request('POST', '/acme/api/auth/login', { body: { email: made.email, password: PASSWORD } })],
  ['signing a device out', () => owner.send('DELETE', `/api/auth/devices/${made.device}`)],
  ['deleting a session', () => owner.send('DELETE', `/api/sessions/${made.session}`)],
  [
    'adding a platform admin',
    () => root.send('POST', '/api/admin/admins', { email: 'n@platform.example', name: 'N', role: 'billing' }),
  ],
  ['changing a platform admin', () => root.send('PATCH', `/api/admin/admins/${made.admin}`, { role: 'billing' })],
  [
    'acting as a user',
    () =>
      root.send('POST', '/api/admin/impersonations', {
        tenant: 'acme',
        user_id: made.user,
        reason: 'Ticket 4711: exports are empty',
      }),
  ],
  ['revoking an invitation', () => owner.send('DELETE', `/api/invitations/${made.invitation}`)],
  ['revoking a key', () => owner.send('DELETE', `/api/api-keys/${made.key}`)],
  ['deleting a role', () => owner.send('DELETE', `/api/roles/${made.role}`)],
  ['deleting a person', () => owner.send('DELETE', `/api/users/${made.user}`)],
  [
    'changing the password',
    () =>
      owner.send('POST', '/api/auth/change-password', {
        current_password: PASSWORD,
        new_password: 'a quiet heron at noon',
      }),
  ],
];

describe('a change that the audit log does not take is not made', () => {
  it.each(CHANGES)('%s', async (_what, change) => {
    const state = async () => [await rows('everywhere', TENANT), await rows('platform', PLATFORM)];
    const before = await state();
    expect((await change()).status).toBe(500);
    expect(await state()).toEqual(before);
  });

  it('and is made, each of them, once the log takes it', async () => {
    for (const schema of ['everywhere', 'platform']) {
      await t.database.admin(`DROP TRIGGER refuse ON ${schema}.audit_events`);
    }
    // Disabled, a person can neither sign in nor be acted as.
    for (const [what, change] of CHANGES.filter(([name]) => name !== 'disabling a person')) {
      const { status, text } = await change();
      expect([what, status < 300 ? 'done' : text]).toEqual([what, 'done']);
    }
    await expect(signInAs(t, 'acme', 'owner@acme.example', PASSWORD)).rejects.toThrow('401');
  });
});
