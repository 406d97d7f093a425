import type { Request } from 'express';
import type { Tenant } from '../tenancy/index.js';

/**
 * Where a request goes that names a tenant by a slug it no longer has: to the same path, under the new one. Only an
 * address can be redirected; a header or body that says the old slug is served as it is.
 *
 * @param pathSlug the slug that the path begins with, if it does
 * @param baseDomain beneath which slugs are host names
 * @returns undefined when there is nothing to redirect
 */
export function redirectOf(
  request: Request,
  tenant: Tenant,
  pathSlug: string | undefined,
  baseDomain: string,
): string | undefined {
  if (!tenant.alias) return undefined;
  const { slug: old } = tenant.alias;
  const { host, originalUrl } = request;
  // The whole name: of another domain that begins like it, the new name would be a stranger's.
  const bare = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  const oldHost = bare === `${old}.${baseDomain}`;
  if (!oldHost && pathSlug !== old) return undefined;
  const path = pathSlug === old ? `/${tenant.slug}${originalUrl.slice(old.length + 1)}` : originalUrl;
  return oldHost ? `${request.protocol}://${tenant.slug}${host.slice(old.length)}${path}` : path;
}
