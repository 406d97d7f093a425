import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangeFeed } from '../../src/changes/index.js';
import { newId } from '../../src/common/index.js';
import { addServer, placeTenant, sqlAt, type TestServer } from '../kit/places.js';
import { ROOT_ENV, secondInstance, signInAdmin } from '../kit/platform.js';
import { bearer, signInAs } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const AUTH_CHANNEL = 'tenantry_auth';
/** The bound is under a second; this leaves room for a busy machine. */
const SOON = { timeout: 5000, interval: 20 };
const PLACES = [
  ['in a schema', 'schema', undefined],
  ['in a database', 'database', undefined],
  ['in shared tables of another server', 'shared', 'second'],
] as const;

let t: TestApp;
let other: TestApp;
let second: TestServer;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  other = await secondInstance(t.database);
  second = await addServer(t, 'second');
  const admin = await signInAdmin(t);
  for (const [, isolation, server] of PLACES) {
    await placeTenant(admin, `in-${isolation}`, { isolation, ...(server && { server }) });
  }
});
afterAll(async () => {
  await other.close();
  await second.drop();
  await t.close();
});

let count = 0;

/** Somebody of the tenant with the password of the demo. */
async function person(slug: string, role: string): Promise<{ id: string; email: string }> {
  const made = { id: newId(), email: `person-${(count += 1)}@example.com` };
  const [hash] = await t.database.admin<{ password_hash: string }>(
    `SELECT password_hash FROM shared.users WHERE email_key = 'owner@acme.example'`,
  );
  const { id, placement } = await t.tenant(slug);
  await sqlAt(
    t,
    slug,
    `INSERT INTO users (tenant_id, id, email, email_key, name, role, password_hash) VALUES ($1, $2, $3, $3, 'Quinn', $4, $5)`,
    [id, made.id, made.email, role, hash?.password_hash],
    placement.server === 'second' ? second : undefined,
  );
  return made;
}

async function team(slug: string) {
  const [owner, member] = [await person(slug, 'owner'), await person(slug, 'member')];
  const boss = await signInAs(t, slug, owner.email, 'demo-password');
  const signedIn = await signInAs(t, slug, member.email, 'demo-password');
  return { boss, member: { ...member, ...signedIn, there: bearer(other, slug, signedIn.accessToken) } };
}

type Team = Awaited<ReturnType<typeof team>>;

/** Has the other process know the member, and waits until it refuses them. */
async function isRefusedThere({ boss, member }: Team): Promise<void> {
  expect((await member.there.get('/api/auth/me')).status).toBe(200);
  const changed = await boss.send('PATCH', `/api/users/${member.id}`, { status: 'disabled' });
  expect(changed.status, changed.text).toBe(200);
  expect((await member.get('/api/auth/me')).status).toBe(401);
  await expect.poll(async () => (await member.there.get('/api/auth/me')).status, SOON).toBe(401);
}

describe.each(PLACES)('a person of a tenant %s', (_name, isolation) => {
  const slug = `in-${isolation}`;

  it('who is disabled is refused by every process, which hears of it', async () => {
    const people = await team(slug);
    const heard: string[] = [];
    other.app.get(ChangeFeed).on(AUTH_CHANNEL, (keys) => void heard.push(...(keys ?? [])));
    await isRefusedThere(people);
    await expect.poll(() => heard, SOON).toContain(`${(await t.tenant(slug)).id}:${people.member.id}`);
  });

  it('who signs out of a device is signed out of it everywhere', async () => {
    const { member } = await team(slug);
    expect((await member.there.get('/api/auth/me')).status).toBe(200);
    const [device] = (await member.get('/api/auth/devices')).json.items;
    expect((await member.send('DELETE', `/api/auth/devices/${device.id}`)).status).toBe(204);
    await expect.poll(async () => (await member.there.get('/api/auth/me')).status, SOON).toBe(401);
  });

  it('revokes an API key everywhere', async () => {
    const { boss } = await team(slug);
    const made = await boss.send('POST', '/api/api-keys', { name: 'bot', permissions: ['session:read'] });
    expect(made.status, made.text).toBe(201);
    const program = bearer(other, slug, made.json.key);
    expect((await program.get('/api/api-keys')).status).toBe(403);
    expect((await boss.send('DELETE', `/api/api-keys/${made.json.id}`)).status).toBe(204);
    await expect.poll(async () => (await program.get('/api/api-keys')).status, SOON).toBe(401);
  });
});

describe.each(PLACES.slice(1))('a person of a tenant %s, when the news do not get through', (_name, isolation) => {
  it('is refused by every process all the same', async () => {
    const people = await team(`in-${isolation}`);
    t.logs.length = 0;
    await t.database.admin('REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC');
    try {
      await isRefusedThere(people);
    } finally {
      await t.database.admin('GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC');
    }
    expect(t.logs.filter((line) => line.includes('hear of a change late'))).not.toEqual([]);
  });
});
