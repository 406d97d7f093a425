import type { NextFunction, Request } from 'express';
import type { Resolution, TenancyStore, TenantResolver, TenantRunner } from '../tenancy/index.js';
import { redirectOf } from './renamed.redirect.js';
import { addressOf, type Reserved } from './request.address.js';
import type { TracedResponse } from './request-log.js';

/** The demo's routes, whose body may name the tenant. */
const BODY_ROUTES = new Set(['/session', '/chat']);
/** Routes whose body may carry the one credential of the request. */
const TOKEN_ROUTES = new Set(['/api/auth/refresh', '/api/auth/logout']);

/** Opens the scope of the request and resolves its tenant. Who may do what is the guards' business. */
export function tenancyMiddleware(
  resolver: TenantResolver,
  runner: TenantRunner,
  isReserved: Reserved,
  baseDomain: string,
) {
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    const { path, query, pathSlug, rest } = addressOf(request.url, resolver.readsPath, isReserved);
    if (rest !== undefined) request.url = rest + query;
    const route = canonical(path);
    const enter = (resolution: Resolution): void => {
      const store: TenancyStore = { requestId: response.requestId, address: request.ip, resolution };
      response.scope = store;
      if (resolution.kind === 'tenant') {
        store.tenant = resolution.tenant;
        const target = redirectOf(request, resolution.tenant, pathSlug, baseDomain);
        if (target) return void response.redirect(308, target);
      }
      runner.runRequest(store, next);
    };
    const resolution = resolver.resolve({
      host: request.host,
      pathSlug,
      headers: request.headers,
      body: BODY_ROUTES.has(route) ? (request.body as unknown) : undefined,
      refreshToken: TOKEN_ROUTES.has(route) ? refreshTokenOf(request.body) : undefined,
    });
    if (resolution instanceof Promise) resolution.then(enter).catch(next);
    else enter(resolution);
  };
}

function refreshTokenOf(body: unknown): string | undefined {
  const token = (body as { refresh_token?: unknown } | undefined)?.refresh_token;
  return typeof token === 'string' ? token : undefined;
}

/** As the router reads it: whatever the case, with or without a trailing slash. */
function canonical(path: string): string {
  return path.toLowerCase().replace(/\/$/, '');
}
