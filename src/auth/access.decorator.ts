import { SetMetadata } from '@nestjs/common';

/** What a route asks of its caller. Every route declares exactly one; a test fails on a route that declares none. */
export type Access =
  /** No tenant is looked at. */
  | { kind: 'public' }
  /** Open to all; on a tenant's own address it speaks for that tenant. */
  | { kind: 'public-on-tenant' }
  /** A tenant must be named; no credential. */
  | { kind: 'tenant' }
  /** A visitor's chat session of the named tenant. */
  | { kind: 'visitor-session'; from: 'body' | 'path' | 'authorization' };

export const ACCESS = 'tenantry:access';

export const Public = () => SetMetadata(ACCESS, { kind: 'public' } satisfies Access);
export const PublicOnTenant = () => SetMetadata(ACCESS, { kind: 'public-on-tenant' } satisfies Access);
export const ForTenant = () => SetMetadata(ACCESS, { kind: 'tenant' } satisfies Access);
export const ForVisitorSession = (from: 'body' | 'path' | 'authorization') =>
  SetMetadata(ACCESS, { kind: 'visitor-session', from } satisfies Access);
