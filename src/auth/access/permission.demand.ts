import { PermissionMissing, RefusedUnderImpersonation } from '../auth.errors.js';
import { permissionNamed } from './permissions.js';
import type { TenantPrincipal } from './principal.js';

/** Asks for a permission beyond that of the route. @throws PermissionMissing, RefusedUnderImpersonation */
export function demandPermission(principal: TenantPrincipal, permission: string): void {
  if (principal.permissions.has(permission)) return;
  if (principal.impersonator && permissionNamed(permission)?.sensitive) throw new RefusedUnderImpersonation();
  throw new PermissionMissing(permission);
}
