import type { NextFunction, Request } from 'express';
import type { Resolution, TenancyStore, TenantResolver, TenantRunner } from '../tenancy/index.js';
import type { TracedResponse } from './request-log.js';

/** The demo's routes, whose body may name the tenant. */
const BODY_ROUTES = new Set(['/session', '/chat']);
const PREFIXED = /^\/([^/]+)(\/api(?:\/.*)?)$/i;

/** Opens the scope of the request and resolves its tenant. Who may do what is the guards' business. */
export function tenancyMiddleware(
  resolver: TenantResolver,
  runner: TenantRunner,
  isReserved: (segment: string) => boolean,
) {
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    let pathSlug: string | undefined;
    const [path, query] = split(request.url);
    const prefixed = PREFIXED.exec(path);
    if (prefixed?.[1] && prefixed[2] && !isReserved(prefixed[1]) && !/^\/api\/admin(\/|$)/i.test(prefixed[2])) {
      pathSlug = prefixed[1];
      request.url = prefixed[2] + query;
    }
    const enter = (resolution: Resolution): void => {
      const store: TenancyStore = { requestId: response.requestId, address: request.ip, resolution };
      response.scope = store;
      if (resolution.kind === 'tenant') store.tenant = resolution.tenant;
      runner.runRequest(store, next);
    };
    const resolution = resolver.resolve({
      host: request.host,
      pathSlug,
      headers: request.headers,
      body: BODY_ROUTES.has(canonical(path)) ? (request.body as unknown) : undefined,
    });
    if (resolution instanceof Promise) resolution.then(enter).catch(next);
    else enter(resolution);
  };
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
