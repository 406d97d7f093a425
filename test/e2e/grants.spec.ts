import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { permissions } from '../../src/auth/index.js';
import { permissionsOfRole } from '../../src/auth/users/user-states.js';
import { linkIn, mailTo, PASSWORD, program, programPermissions } from '../kit/team.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

/** Roles and people that every story begins with; each of them grants, none is an owner. */
const CAST: Record<string, string[]> = {
  'people-lead': ['user:read', 'user:write', 'user:delete', 'invitation:write', 'session:read'],
  composer: ['role:read', 'role:write', 'user:write', 'audit:read', 'session:read', 'session:write'],
};
/** What a program holds that adds members. */
const KEY = ['user:write', 'invitation:write', 'role:write', ...programPermissions('member')];
const COMPOSED = ['alpha', 'beta', ...Object.keys(CAST)];
const ROLES = ['owner', 'admin', 'member', 'viewer', ...COMPOSED];
const PEOPLE = ['lead@acme.example', 'maker@acme.example', 'admin@acme.example', 'member@acme.example'];
const GUESTS = ['guest-1@acme.example', 'guest-2@acme.example'];

const actor = fc.integer({ min: 0, max: 3 });
const person = fc.constantFrom('owner@acme.example', ...PEOPLE, ...GUESTS);
const role = fc.constantFrom(...ROLES);
const composed = fc.constantFrom(...COMPOSED);
const some = fc.subarray(
  permissions().map(({ name }) => name),
  { maxLength: 4 },
);
const step = fc.oneof(
  fc.record({ kind: fc.constant('compose' as const), actor, name: composed, permissions: some }),
  fc.record({ kind: fc.constant('recompose' as const), actor, name: composed, permissions: some }),
  fc.record({ kind: fc.constant('drop' as const), actor, name: composed }),
  fc.record({ kind: fc.constant('assign' as const), actor, person, role }),
  fc.record({ kind: fc.constant('add' as const), actor, email: fc.constantFrom(...GUESTS), role }),
  fc.record({ kind: fc.constant('invite' as const), actor, email: fc.constantFrom(...GUESTS), role }),
  fc.record({ kind: fc.constant('accept' as const), email: fc.constantFrom(...GUESTS) }),
  fc.record({ kind: fc.constant('delete' as const), actor, person }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A story in which a step of each kind succeeds: a property of refusals alone would say nothing. */
const EVERY_KIND: Step[] = [
  { kind: 'compose', actor: 1, name: 'alpha', permissions: ['audit:read'] },
  { kind: 'compose', actor: 2, name: 'beta', permissions: ['user:read', 'invitation:write'] },
  { kind: 'recompose', actor: 1, name: 'alpha', permissions: ['session:read'] },
  { kind: 'assign', actor: 2, person: 'member@acme.example', role: 'viewer' },
  { kind: 'add', actor: 3, email: 'guest-1@acme.example', role: 'member' },
  { kind: 'invite', actor: 2, email: 'guest-2@acme.example', role: 'beta' },
  { kind: 'accept', email: 'guest-2@acme.example' },
  { kind: 'drop', actor: 2, name: 'alpha' },
  { kind: 'delete', actor: 2, person: 'guest-1@acme.example' },
];

interface Holder {
  id: string;
  email: string;
  held: Set<string>;
}

describe('no sequence of grants', () => {
  let t: TestApp;
  let smtp: TestSmtp;
  let key: SignedIn;
  let tenantId: string;
  const succeeded = new Set<string>();
  beforeAll(async () => {
    smtp = await startSmtp();
    t = await createTestApp({ SMTP_URL: smtp.url });
    tenantId = (await t.tenant('acme')).id;
    key = await program(t, 'acme', KEY);
  });
  afterAll(async () => {
    await t.close();
    await smtp.close();
  });

  const holders = async (): Promise<Map<string, Holder>> => {
    const rows = await t.database.admin<{ id: string; email_key: string; role: string; composed: string[] | null }>(
      `SELECT u.id, u.email_key, u.role, r.permissions AS composed FROM everywhere.users u
         LEFT JOIN everywhere.roles r ON r.tenant_id = u.tenant_id AND r.name = u.role WHERE u.tenant_id = $1`,
      [tenantId],
    );
    return new Map(
      rows.map((row) => {
        const held = new Set(permissionsOfRole(row.role, row.composed));
        return [row.id, { id: row.id, email: row.email_key, held }];
      }),
    );
  };

  /** The cast afresh, whatever the story before made of it. */
  const begin = async (): Promise<SignedIn[]> => {
    // Stories ask for more mails to one guest than an hour allows.
    await t.database.admin('DELETE FROM everywhere.member_mails');
    await t.database.admin('DELETE FROM everywhere.invitations WHERE tenant_id = $1', [tenantId]);
    await t.database.admin('DELETE FROM everywhere.users WHERE tenant_id = $1', [tenantId]);
    await t.database.admin('DELETE FROM everywhere.roles WHERE tenant_id = $1', [tenantId]);
    for (const [name, held] of Object.entries(CAST)) {
      await t.database.admin(
        'INSERT INTO everywhere.roles (tenant_id, id, name, permissions) VALUES ($1, gen_random_uuid(), $2, $3)',
        [tenantId, name, held],
      );
    }
    const { password_hash: hash } = (
      await t.database.admin<{ password_hash: string }>(
        `SELECT password_hash FROM everywhere.users WHERE email_key = 'owner@globex.example'`,
      )
    )[0] as { password_hash: string };
    const cast = ['people-lead', 'composer', 'admin', 'member'];
    for (const [email, held] of [['owner@acme.example', 'owner'], ...PEOPLE.map((email, at) => [email, cast[at]])]) {
      await t.database.admin(
        `INSERT INTO everywhere.users (tenant_id, id, email, email_key, name, role, password_hash)
         VALUES ($1, gen_random_uuid(), $2, $2, $2, $3, $4)`,
        [tenantId, email, held, hash],
      );
    }
    await t.database.admin(`SELECT pg_notify('tenantry_auth', $1)`, [`${tenantId}:*`]);
    const actors = [];
    for (const name of ['lead', 'maker', 'admin']) actors.push(await signIn(t, 'acme', name));
    return [...actors, key];
  };

  const take = async (next: Step, actors: SignedIn[], people: Map<string, Holder>) => {
    const idOf = (email: string) => [...people.values()].find((holder) => holder.email === email)?.id ?? 'nobody';
    if (next.kind === 'accept') {
      const mails = smtp.to(next.email);
      const open = await t.database.admin<{ token_hash: Buffer }>(
        'SELECT 1 FROM everywhere.invitations WHERE email_key = $1 AND accepted_at IS NULL AND revoked_at IS NULL',
        [next.email],
      );
      if (open.length === 0) return 404;
      const body = {
        name: 'Guest',
        password: PASSWORD,
        token: linkIn(await mailTo(smtp, next.email, mails.length)).token,
      };
      const accepted = await t.request('POST', '/api/invitations/accept', { headers: { 'x-tenant-id': 'acme' }, body });
      return accepted.status;
    }
    const by = actors[next.actor] as SignedIn;
    const send = async (method: string, path: string, body?: object) => (await by.send(method, path, body)).status;
    switch (next.kind) {
      case 'compose':
        return send('POST', '/api/roles', { name: next.name, permissions: next.permissions });
      case 'recompose':
        return send('PATCH', `/api/roles/${next.name}`, { permissions: next.permissions });
      case 'drop':
        return send('DELETE', `/api/roles/${next.name}`);
      case 'assign':
        return send('PATCH', `/api/users/${idOf(next.person)}`, { role: next.role });
      case 'add':
        return send('POST', '/api/users', { email: next.email, name: 'Guest', role: next.role });
      case 'invite': {
        const before = smtp.to(next.email).length;
        const status = await send('POST', '/api/invitations', { email: next.email, role: next.role });
        if (status === 201) await mailTo(smtp, next.email, before + 1);
        return status;
      }
      case 'delete':
        return send('DELETE', `/api/users/${idOf(next.person)}`);
    }
  };

  it('gives anybody a permission that its actor lacked at that time', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 20 }), async (story) => {
        const actors = await begin();
        let before = await holders();
        for (const next of story) {
          const reach = await reachOf(next, before);
          const status = await take(next, actors, before);
          expect(status).toBeLessThan(500);
          if (status < 300) succeeded.add(next.kind);
          const after = await holders();
          for (const { id, email, held } of after.values()) {
            const had = before.get(id)?.held ?? new Set(['account:manage']);
            const gained = [...held].filter((name) => !had.has(name) && !reach.has(name));
            expect({ step: next, email, gained }).toEqual({ step: next, email, gained: [] });
          }
          // Nobody of the cast is an owner, so nobody makes the owner less.
          expect([...after.values()].filter(({ held }) => held.has('owner:manage'))).toHaveLength(1);
          before = after;
        }
      }),
      { numRuns: 12, endOnFailure: true, examples: [[EVERY_KIND]] },
    );
    expect(succeeded).toEqual(new Set(EVERY_KIND.map(({ kind }) => kind)));
  });

  /** What the actor of a step holds before it; of an acceptance, whoever sent the invitation. */
  const reachOf = async (next: Step, people: Map<string, Holder>): Promise<ReadonlySet<string>> => {
    const heldBy = (email: string | undefined) => [...people.values()].find((holder) => holder.email === email)?.held;
    const keys = new Set(KEY);
    if (next.kind !== 'accept') return next.actor === 3 ? keys : (heldBy(PEOPLE[next.actor]) ?? new Set());
    const [sent] = await t.database.admin<{ invited_by: string }>(
      'SELECT invited_by FROM everywhere.invitations WHERE email_key = $1 AND accepted_at IS NULL',
      [next.email],
    );
    if (!sent) return new Set();
    const isKey = await t.database.admin('SELECT 1 FROM everywhere.api_keys WHERE id = $1', [sent.invited_by]);
    return isKey.length > 0 ? keys : (people.get(sent.invited_by)?.held ?? new Set());
  };
});
