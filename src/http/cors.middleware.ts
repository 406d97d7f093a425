import { ArrayMaxSize, IsString, Matches } from 'class-validator';
import type { NextFunction, Request, Response } from 'express';
import { declareSetting, settingOf } from '../settings/index.js';
import type { TenantContext } from '../tenancy/index.js';

/** Origins whose pages may read answers of this tenant. */
export const CORS_ORIGINS = declareSetting<string[]>({
  key: 'cors.origins',
  description: 'Origins whose pages may read your answers.',
  copied: false,
  type: 'array',
  rules: [ArrayMaxSize(100), IsString({ each: true }), Matches(/^https?:\/\/[^/]+$/, { each: true })],
  allowed: 'a list of origins such as "https://app.example.com"',
  default: [],
  changedBy: 'admin',
});

const EXPOSED =
  'ETag, Location, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset';

const ALLOWED = 'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Tenant-ID, X-Request-Id';

/**
 * CORS by the tenant's setting. A preflight cannot carry the header or body that names the tenant, and answers nothing
 * but what may be sent: it is granted, and the answer itself stays unreadable to an origin that is not listed. Cookies,
 * and the CSRF token that goes with them, are for listed origins only: so a page that keeps its refresh token in a cookie
 * names the tenant by host or path.
 */
export function corsMiddleware(context: TenantContext) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const origin = request.headers.origin;
    if (origin === undefined) return next();
    response.vary('Origin');
    const tenant = context.current();
    const listed = tenant !== undefined && settingOf(tenant, CORS_ORIGINS).includes(origin);
    const preflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    if (listed || (preflight && tenant === undefined)) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Access-Control-Expose-Headers', EXPOSED);
    }
    if (listed) response.setHeader('Access-Control-Allow-Credentials', 'true');
    if (!preflight) return next();
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE');
    response.setHeader('Access-Control-Allow-Headers', listed ? `${ALLOWED}, X-CSRF-Token` : ALLOWED);
    response.setHeader('Access-Control-Max-Age', '600');
    response.status(204).end();
  };
}
