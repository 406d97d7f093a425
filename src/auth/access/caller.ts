import type { Request, Response } from 'express';
import { CredentialInvalid } from '../auth.errors.js';
import type { AccessRequest, TenantPrincipal } from './principal.js';

/** Who the guard let in. @throws CredentialInvalid on a route that asks for nobody */
export function callerOf({ principal }: AccessRequest): TenantPrincipal {
  if (!principal) throw new CredentialInvalid();
  return principal;
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
