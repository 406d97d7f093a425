import { BUILT_IN_ROLES, permissionsOfBuiltIn } from '../../src/auth/access/permissions.js';
import type { PlatformRole } from '../../src/auth/platform/platform-permissions.js';
import { adminToken, apiKey, userToken } from '../kit/actors.js';
import { impersonate } from '../kit/impersonation.js';
import { TENANTS, type World } from './world.js';

/** Who sends a request. */
export interface Actor {
  /** `viewer of acme`. */
  name: string;
  kind: 'nobody' | 'visitor' | 'user' | 'api-key' | 'support' | 'platform';
  /** Whose credential it is. */
  tenant?: string;
  role?: string;
  /** The Authorization header. */
  authorization(): Promise<string | undefined>;
  /** Makes the next one a new one: what the last request did may have ended what it stands for. */
  renew(): void;
}

const PLATFORM: PlatformRole[] = ['read-only', 'admin'];

/** One of each kind in each tenant, and those who belong to none. */
export function actorsOf(world: World): Actor[] {
  const { t } = world;
  const inTenant = (tenant: string): Actor[] => [
    actor({ name: `visitor of ${tenant}`, kind: 'visitor', tenant }, async () => `Session ${await t.session(tenant)}`),
    ...BUILT_IN_ROLES.map((role) =>
      actor({ name: `${role} of ${tenant}`, kind: 'user', tenant, role }, async () => {
        return `Bearer ${await userToken(t, tenant, role)}`;
      }),
    ),
    ...(['all', 'no'] as const).map((scopes) =>
      actor({ name: `API key of ${tenant} with ${scopes} scopes`, kind: 'api-key', tenant, role: scopes }, async () => {
        return `Bearer ${await apiKey(t, tenant, scopes === 'no' ? [] : [...permissionsOfBuiltIn('owner')])}`;
      }),
    ),
    actor({ name: `support as owner of ${tenant}`, kind: 'support', tenant, role: 'owner' }, async () => {
      return (await impersonate(t, tenant, 'owner')).headers['authorization'];
    }),
  ];
  return [
    actor({ name: 'nobody', kind: 'nobody' }, () => Promise.resolve(undefined)),
    ...TENANTS.flatMap(inTenant),
    ...PLATFORM.map((role) =>
      actor({ name: `platform ${role}`, kind: 'platform', role }, async () => `Bearer ${await adminToken(t, role)}`),
    ),
  ];
}

function actor(who: Pick<Actor, 'name' | 'kind' | 'tenant' | 'role'>, make: () => Promise<string | undefined>): Actor {
  let held: Promise<string | undefined> | undefined;
  return { ...who, authorization: () => (held ??= make()), renew: () => (held = undefined) };
}
