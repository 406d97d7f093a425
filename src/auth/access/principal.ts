import type { Request } from 'express';

/** Who is behind a request to a tenant, once the credential has been checked. */
export interface TenantPrincipal {
  kind: 'user' | 'api-key';
  id: string;
  tenantId: string;
  name: string;
  permissions: ReadonlySet<string>;
  /** Users only: where they are signed in; the impersonation's id for a platform admin who acts as the user. */
  deviceId?: string;
  role?: string;
  impersonator?: { id: string; name: string };
}

/** A platform admin. Never a tenant's principal. */
export interface PlatformPrincipal {
  kind: 'platform-admin';
  id: string;
  name: string;
  role: string;
  permissions: ReadonlySet<string>;
  deviceId: string;
  mustChangePassword: boolean;
}

/** The visitor behind a checked session credential. */
export interface Visitor {
  sessionId: string;
  /** The user whose session it is; a visitor's own has none. */
  userId?: string;
}

/** A request once the guards have let it in: who is behind it, if anybody. */
export type AccessRequest = Request & {
  principal?: TenantPrincipal;
  admin?: PlatformPrincipal;
  visitor?: Visitor;
};
