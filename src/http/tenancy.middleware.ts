import type { NextFunction, Request } from 'express';
import { redirectOf } from './renamed.redirect.js';
import type { Resolution, TenancyStore, TenantResolver, TenantRunner } from '../tenancy/index.js';
import type { TracedResponse } from './request-log.js';

/** The demo's routes, whose body may name the tenant. */
const BODY_ROUTES = new Set(['/session', '/chat']);
/** Routes whose body may carry the one credential of the request. */
const TOKEN_ROUTES = new Set(['/api/auth/refresh', '/api/auth/logout']);
const PREFIXED = /^\/([^/]+)(\/api(?:\/.*)?)$/i;

/** Opens the scope of the request and resolves its tenant. Who may do what is the guards' business. */
export function tenancyMiddleware(
  resolver: TenantResolver,
  runner: TenantRunner,
  isReserved: (segment: string) => boolean,
  baseDomain: string,
) {
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    let pathSlug: string | undefined;
    const [path, query] = split(request.url);
    const prefixed = resolver.readsPath ? PREFIXED.exec(path) : null;
    if (prefixed?.[1] && prefixed[2] && !isReserved(prefixed[1]) && !/^\/api\/admin(\/|$)/i.test(prefixed[2])) {
      pathSlug = prefixed[1];
      request.url = prefixed[2] + query;
    }
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

function split(target: string): [string, string] {
  // A request target may be in absolute form (RFC 9112, section 3.2.2).
  const url = target.replace(/^https?:\/\/[^/?#]*/i, '') || '/';
  const at = url.indexOf('?');
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at)];
}
