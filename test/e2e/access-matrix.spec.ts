import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_ROLES, permissionsOfBuiltIn } from '../../src/auth/access/permissions.js';
import type { Access } from '../../src/auth/index.js';
import { PLATFORM_ROLES, type PlatformRole } from '../../src/auth/platform/platform-permissions.js';
import { newId } from '../../src/common/index.js';
import { adminToken, apiKey, userToken } from '../kit/actors.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const MAP = JSON.parse(readFileSync('docs/generated/access-map.json', 'utf8')) as Record<string, Access>;

/** Answers by which a guard turns a caller away. Whatever else comes, the caller was let in. */
const TURNED_AWAY = new Set([
  'credential_required',
  'credential_invalid',
  'permission_missing',
  'tenant_not_found',
  'tenant_required',
  'session_required',
  'sign_in_required',
  'route_not_found',
]);
const BY_SESSION = new Set(['session_not_found', 'session_of_another_tenant']);
const IN = 'in';

let addresses = 0;

interface Actor {
  name: string;
  /** The Authorization header, made afresh: some routes end what it stands for. */
  authorization: () => Promise<string | undefined>;
  kind: 'nobody' | 'visitor' | 'own' | 'foreign' | 'platform';
  permissions: readonly string[];
}

let t: TestApp;
beforeAll(async () => {
  // Every request from another address, so that no limit by address stands in for the guard.
  t = await createTestApp({ TRUSTED_PROXIES: 'loopback' });
});
afterAll(() => t.close());

const own = (role: string, tenant: string): Actor => ({
  name: `${role} of ${tenant}`,
  kind: tenant === 'acme' ? 'own' : 'foreign',
  authorization: async () => `Bearer ${await userToken(t, tenant, role)}`,
  permissions: permissionsOfBuiltIn(role as 'owner'),
});
const keyOf = (tenant: string): Actor => ({
  name: `API key of ${tenant} without scope`,
  kind: tenant === 'acme' ? 'own' : 'foreign',
  authorization: async () => `Bearer ${await apiKey(t, tenant, [])}`,
  permissions: [],
});
const platform = (role: PlatformRole): Actor => ({
  name: `platform ${role}`,
  kind: 'platform',
  authorization: async () => `Bearer ${await adminToken(t, role)}`,
  permissions: PLATFORM_ROLES[role],
});

const ACTORS: Actor[] = [
  { name: 'nobody', kind: 'nobody', authorization: () => Promise.resolve(undefined), permissions: [] },
  {
    name: 'visitor',
    kind: 'visitor',
    authorization: async () => `Session ${await t.session('acme')}`,
    permissions: [],
  },
  ...['acme', 'globex'].flatMap((tenant) => [...BUILT_IN_ROLES.map((role) => own(role, tenant)), keyOf(tenant)]),
  platform('read-only'),
  platform('admin'),
];

/** What the map says must happen to the actor at acme. The session in path and body is one that does not exist. */
function expected(access: Access, actor: Actor): string {
  const bearer = actor.kind === 'own' || actor.kind === 'foreign' || actor.kind === 'platform';
  const asBearer = (permission: string): string => {
    if (actor.kind === 'platform') return 'credential_invalid';
    if (actor.kind === 'foreign') return 'tenant_not_found';
    return actor.permissions.includes(permission) ? IN : 'permission_missing';
  };
  switch (access.kind) {
    case 'public':
    case 'public-on-tenant':
      return IN;
    case 'internal':
      // Every request of this test was passed on by a proxy.
      return 'route_not_found';
    case 'tenant':
      return bearer && access.permission !== undefined ? asBearer(access.permission) : IN;
    case 'permission':
      return bearer ? asBearer(access.permission) : 'credential_required';
    case 'visitor-session':
      if (access.from === 'authorization') return actor.kind === 'visitor' ? IN : 'session_required';
      if (!bearer || access.permission === undefined) return 'session_not_found';
      return actor.kind === 'own' ? 'session_not_found' : asBearer(access.permission);
    case 'platform-public':
      // A bearer credential that is sent must be an admin's, where the route takes one.
      if (access.permission === undefined || !bearer) return IN;
      return actor.kind === 'platform' ? IN : 'credential_invalid';
    case 'platform':
      if (actor.kind !== 'platform') return bearer ? 'credential_invalid' : 'credential_required';
      return actor.permissions.includes(access.permission) ? IN : 'permission_missing';
  }
}

const held = new Map<string, string | undefined>();

/** Reading ends no credential, so one serves all GETs. */
async function authorizationOf(actor: Actor, method: string): Promise<string | undefined> {
  if (method !== 'GET') return actor.authorization();
  if (!held.has(actor.name)) held.set(actor.name, await actor.authorization());
  return held.get(actor.name);
}

async function outcome(title: string, access: Access, actor: Actor): Promise<string> {
  const [method = '', pattern = ''] = title.split(' ');
  const path = pattern.replaceAll(/:\w+/g, () => newId());
  const onPlatform = access.kind === 'platform' || access.kind === 'platform-public';
  const authorization = await authorizationOf(actor, method);
  const headers = {
    ...(onPlatform || access.kind === 'public' || access.kind === 'internal' ? {} : { 'x-tenant-id': 'acme' }),
    ...(authorization && { authorization }),
    'x-forwarded-for': `10.0.${(addresses += 1) >> 8}.${addresses & 255}`,
  };
  // A body that no route accepts, so that whoever is let in changes as little as can be.
  const body = method === 'GET' ? undefined : { session_id: newId() };
  const answer = await t.request(method, path, { headers, body });
  if (answer.status < 400) return IN;
  const { code } = answer.json as { code: string };
  // The guard let it through; the route itself takes a credential or a challenge in the body.
  const open = (access.kind === 'tenant' || access.kind === 'platform-public') && !authorization?.startsWith('Bearer');
  if (open && access.permission !== undefined && code === 'credential_required') return IN;
  const turnedAway = TURNED_AWAY.has(code) || answer.status === 429;
  return turnedAway || (access.kind === 'visitor-session' && BY_SESSION.has(code)) ? code : IN;
}

describe.each(Object.entries(MAP))('%s', (title, access) => {
  it('lets in whom the access map says, and nobody else', async () => {
    const told: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const actor of ACTORS) {
      wanted[actor.name] = expected(access, actor);
      told[actor.name] = await outcome(title, access, actor);
    }
    expect(told).toEqual(wanted);
  });
});

it('knows every route of the OpenAPI document', async () => {
  const { paths } = (await t.request('GET', '/openapi.json')).json as { paths: Record<string, object> };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  expect(routes.sort()).toEqual(Object.keys(MAP).sort());
});
