/** What may be done, as `noun:verb`. Declared once, beside the module that owns it. */
export interface Permission {
  name: string;
  about: string;
  /** Built-in roles that hold it; the owner holds everything. */
  roles: readonly ('admin' | 'member' | 'viewer')[];
  /** Only people: no API key can hold it. */
  peopleOnly?: boolean;
  /** Out of reach of a platform admin who acts as a user. */
  sensitive?: boolean;
}

const PERMISSION = /^[a-z][a-z-]*:[a-z][a-z-]*$/;
const declared = new Map<string, Permission>();

/**
 * Declares a permission once, beside the module that owns it.
 *
 * @returns the name, for `@RequiresPermission`
 * @throws Error when the name is taken or not `noun:verb`
 */
export function declarePermission(permission: Permission): string {
  if (!PERMISSION.test(permission.name)) throw new Error(`Permission ${permission.name} is not of the form noun:verb.`);
  if (declared.has(permission.name)) throw new Error(`Permission ${permission.name} is declared twice.`);
  declared.set(permission.name, permission);
  return permission.name;
}

export function permissions(): Permission[] {
  return [...declared.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function permissionNamed(name: string): Permission | undefined {
  return declared.get(name);
}

export const BUILT_IN_ROLES = ['owner', 'admin', 'member', 'viewer'] as const;
export type BuiltInRole = (typeof BUILT_IN_ROLES)[number];

export function isBuiltInRole(name: string): name is BuiltInRole {
  return (BUILT_IN_ROLES as readonly string[]).includes(name);
}

export function permissionsOfBuiltIn(role: BuiltInRole): string[] {
  return permissions()
    .filter((permission) => role === 'owner' || permission.roles.includes(role))
    .map((permission) => permission.name);
}

/** Everybody's own account: profile, password, second factor, devices. Every user has it, whatever the role. */
export const ACCOUNT_MANAGE = declarePermission({
  name: 'account:manage',
  about: 'Manage the own account: profile, password, second factor, devices',
  roles: ['admin', 'member', 'viewer'],
  peopleOnly: true,
});
