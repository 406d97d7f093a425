import type { Request, Response } from 'express';
import { CredentialInvalid, RefusedUnderImpersonation } from '../auth.errors.js';
import { PlatformCredentialInvalid } from '../platform/platform.errors.js';
import type { AccessRequest, PlatformPrincipal, TenantPrincipal, Visitor } from './principal.js';

/** Who the guard let in. @throws CredentialInvalid on a route that asks for nobody */
export function callerOf({ principal }: AccessRequest): TenantPrincipal {
  if (!principal) throw new CredentialInvalid();
  return principal;
}

/** The signed-in user behind the request. @throws CredentialInvalid for a program, which has no account */
export function personOf({ principal }: AccessRequest): TenantPrincipal {
  if (principal?.kind !== 'user') throw new CredentialInvalid();
  return principal;
}

/** The same, and in person. @throws RefusedUnderImpersonation for a platform admin who acts as the user */
export function ownerOf(request: AccessRequest): TenantPrincipal {
  const person = personOf(request);
  if (person.impersonator) throw new RefusedUnderImpersonation();
  return person;
}

/** The bearer of the chat session that the route is about, visitor or signed in. */
export function visitorOf({ visitor }: AccessRequest): Visitor {
  if (!visitor) throw new Error('The access guard has not run, or the route is about no chat session.');
  return visitor;
}

/** The platform admin behind the request. @throws PlatformCredentialInvalid when the guard let somebody in without */
export function adminOf({ admin }: AccessRequest): PlatformPrincipal {
  if (!admin) throw new PlatformCredentialInvalid();
  return admin;
}

/**
 * Location of what was created, on the same address of the tenant as the request (RFC 9110, section 10.2.2).
 *
 * @param action what the path of the request has after that of the collection
 */
export function locate(request: Request, response: Response, id: string, action = ''): void {
  const path = (request.originalUrl.split('?')[0] ?? '').replace(/\/$/, '');
  response.location(`${path.slice(0, path.length - action.length)}/${encodeURIComponent(id)}`);
}
