import { SetMetadata } from '@nestjs/common';

/** Open to owners while the tenant is suspended; every other route that looks at a tenant is not. */
interface WhileSuspended {
  whileSuspended?: true;
}

/** What a route asks of its caller. Every route declares exactly one; a test fails on a route that declares none. */
export type Access =
  /** No tenant is looked at. */
  | { kind: 'public' }
  /** The proxy in front, or a program on the same machine, that asks on its own account; not found for anybody else. */
  | { kind: 'internal' }
  /** Open to all; on a tenant's own address it speaks for that tenant. */
  | { kind: 'public-on-tenant' }
  /**
   * A tenant must be named. Without `permission` no credential is looked at; with it, one that is sent must hold it.
   * `visitors`: who sends none comes in where the tenant takes visitors.
   */
  | ({ kind: 'tenant'; permission?: string; visitors?: true } & WhileSuspended)
  /**
   * A visitor's chat session of the named tenant, or a signed-in caller with the permission in a session of their own;
   * with the permission `others`, in anybody's, and each time it is audited.
   */
  | { kind: 'visitor-session'; from: 'body' | 'path' | 'authorization'; permission?: string; others?: string }
  /** A user or program of the named tenant that holds the permission. */
  | ({ kind: 'permission'; permission: string } & WhileSuspended)
  /** A platform admin who holds the permission, on an address that names no tenant. */
  | { kind: 'platform'; permission: string; beforePasswordChange?: true }
  /** On an address that names no tenant. Without `permission` no credential is looked at; with it, an admin's that is sent must hold it. */
  | { kind: 'platform-public'; permission?: string };

export const ACCESS = 'tenantry:access';

const access = (value: Access) => SetMetadata(ACCESS, value);

/** Declares that a route looks at no tenant and no credential. */
export const Public = () => access({ kind: 'public' });
export const Internal = () => access({ kind: 'internal' });
/** Declares that a route is open to all, and on an address of a tenant speaks for that one. */
export const PublicOnTenant = () => access({ kind: 'public-on-tenant' });
/** Of routes that look at no credential, those open while suspended settle themselves who is an owner. */
export const ForTenant = (permission?: string, options: { visitors?: true } & WhileSuspended = {}) =>
  access({ kind: 'tenant', ...(permission && { permission }), ...options });
export const ForVisitorSession = (from: 'body' | 'path' | 'authorization', permission?: string, others?: string) =>
  access({ kind: 'visitor-session', from, ...(permission && { permission }), ...(others && { others }) });
/** Declares that a route is for users and programs of the tenant that hold the permission. */
export const RequiresPermission = (permission: string, options: WhileSuspended = {}) =>
  access({ kind: 'permission', permission, ...options });
/**
 * Declares that a route is for platform admins who hold the permission, on an address that names no tenant.
 *
 * @param options.beforePasswordChange whether it is open to an admin who still has a one-time password
 */
export const RequiresPlatformPermission = (permission: string, options: { beforePasswordChange?: true } = {}) =>
  access({ kind: 'platform', permission, ...options });
export const PublicOnPlatform = (permission?: string) =>
  access({ kind: 'platform-public', ...(permission && { permission }) });
