import type { Request, Response } from 'express';
import { CredentialInvalid } from '../auth.errors.js';
import type { AccessRequest, TenantPrincipal } from './principal.js';

/** Who the guard let in. @throws CredentialInvalid on a route that asks for nobody */
export function callerOf({ principal }: AccessRequest): TenantPrincipal {
  if (!principal) throw new CredentialInvalid();
  return principal;
}

/** Location of what was created, on the same address of the tenant as the request (RFC 9110, section 10.2.2). */
export function locate(request: Request, response: Response, id: string): void {
  const [path = ''] = request.originalUrl.split('?');
  response.location(`${path.replace(/\/$/, '')}/${encodeURIComponent(id)}`);
}
