import type { NextFunction, Request, RequestHandler } from 'express';
import type { TenantAdmission } from '../fairness/index.js';
import type { Tenant, TenantContext, TenantResolver, TenantRunner } from '../tenancy/index.js';
import type { TracedResponse } from './request-log.js';
import { addressOf, type Reserved } from './request.address.js';

/** What is nobody's on whoever's host: how the process does, and its documents; a preflight costs next to nothing. */
const OF_NOBODY = /^\/(health|docs|openapi\.(json|yaml))(\/|$)/i;

function isCounted({ method, path }: Request): boolean {
  return method !== 'OPTIONS' && !OF_NOBODY.test(path);
}

interface RoomOptions {
  resolver: TenantResolver;
  runner: TenantRunner;
  admission: TenantAdmission;
  isReserved: Reserved;
  /** Lets pages read the refusal. */
  cors: RequestHandler;
  /** Answers with it. */
  refuse: (request: Request, response: TracedResponse, refusal: unknown) => void;
}

/**
 * Refuses a request before anything of it is worked on, its body not even read, where host, path or header names a tenant
 * that has no room for it. Where a body or a credential names the tenant, {@link admissionMiddleware} decides.
 */
export function roomMiddleware({ resolver, runner, admission, isReserved, cors, refuse }: RoomOptions) {
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    if (!admission.isAnyWaiting || !isCounted(request)) return next();
    const { pathSlug } = addressOf(request.url, resolver.readsPath, isReserved);
    const decide = (tenant: Tenant | undefined): void => {
      if (!tenant) return next();
      try {
        admission.demandRoom(tenant);
      } catch (refusal) {
        const resolution = { kind: 'tenant' as const, tenant };
        response.scope = { requestId: response.requestId, address: request.ip, resolution, tenant };
        response.isOneOfMany = true;
        response.setHeader('X-Content-Type-Options', 'nosniff');
        const answer = (): void => refuse(request, response, refusal);
        if (request.headers.origin === undefined) return answer();
        return runner.runRequest(response.scope, () => void cors(request, response, answer));
      }
      next();
    };
    const named = resolver.named({ host: request.host, pathSlug, headers: request.headers });
    if (named instanceof Promise) named.then(decide).catch(next);
    else decide(named);
  };
}

/** Inside the scope of a request: lets it go on when its tenant has a slot for it. */
export function admissionMiddleware(context: TenantContext, runner: TenantRunner, admission: TenantAdmission) {
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    const tenant = context.current();
    if (!isCounted(request)) return next();
    if (!tenant) {
      admission.noticeOther();
      return next();
    }
    let called = false;
    let later: (refusal?: unknown) => void = next;
    admission.admit(tenant, request, response, (refusal) => {
      called = true;
      later(refusal);
    });
    // Whoever makes room for it later does so in the scope of another request.
    if (!called) later = runner.bind(next as (refusal?: unknown) => void);
  };
}
