/** What platform admins may do. Apart from the tenants' permissions: no tenant's role can hold one of these. */
export const PLATFORM_PERMISSIONS = {
  'platform-account:manage': 'Manage the own account: password, second factor, devices',
  'platform-admin:read': 'List platform admins',
  'platform-admin:write': 'Add, change and disable platform admins',
  'platform-audit:read': "Read the platform's audit log",
  'tenant:read': 'Look up tenants and plans',
  'tenant:write': 'Create, edit, move, suspend, archive and restore tenants, and retry their provisioning',
  'tenant:delete': 'Delete archived tenants and roll failed ones back',
  'tenant:export': 'Download all that a tenant has',
  'tenant:import': 'Make tenants of archives',
  'tenant:restore': 'Take tenants back to one of their backups',
  'plan:write': 'Change the rules and settings of plans',
  'platform-settings:read': 'See the settings that all tenants inherit',
  'platform-settings:write': 'Change the settings that all tenants inherit',
  'server:read': 'List the servers that tenants are placed on',
  'server:write': 'Add, change and remove servers',
  'impersonation:read': 'List impersonations',
  'impersonation:create': 'Act as a user of a tenant',
  'job:read': 'List jobs and outbox events',
  'job:write': 'Retry and delete jobs, retry outbox events',
} as const;

export type PlatformPermission = keyof typeof PLATFORM_PERMISSIONS;
export type PlatformRole = 'admin' | 'support' | 'billing' | 'read-only';

const EVERYBODY: PlatformPermission[] = ['platform-account:manage'];

export const PLATFORM_ROLES: Record<PlatformRole, readonly PlatformPermission[]> = {
  admin: Object.keys(PLATFORM_PERMISSIONS) as PlatformPermission[],
  support: [
    ...EVERYBODY,
    'tenant:read',
    'impersonation:read',
    'impersonation:create',
    'platform-audit:read',
    'job:read',
    'job:write',
  ],
  billing: [...EVERYBODY, 'tenant:read'],
  'read-only': [
    ...EVERYBODY,
    'tenant:read',
    'server:read',
    'platform-settings:read',
    'platform-admin:read',
    'platform-audit:read',
    'impersonation:read',
    'job:read',
  ],
};

/** Whether a role may do anything that `own` may not: whoever holds no more than `own` can neither give nor take it. */
export function exceeds(role: PlatformRole, own: readonly PlatformPermission[]): boolean {
  return PLATFORM_ROLES[role].some((permission) => !own.includes(permission));
}
