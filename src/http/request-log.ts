import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import { redactPath } from '../logs/index.js';
import type { MetricsService } from '../metrics/index.js';
import type { Actor, TenancyStore } from '../tenancy/index.js';
import { RefusalTally } from './refusal.tally.js';

/** The scope is kept here because the response closes outside it. */
export type TracedResponse = Response & {
  requestId?: string;
  scope?: TenancyStore;
  /** Refused to a tenant that floods: one of many, which are told together. */
  isOneOfMany?: boolean;
};

const ACCEPTED_ID = /^[\w.-]{8,64}$/;

/** First of all: names the request, and writes one access line and one observation when it ends, however it ends. */
export function requestLog(logger: Logger, metrics: MetricsService) {
  // Its fields are all written below, the path redacted: looking through them again was most of the line's cost.
  const access = logger.child({}, { redact: [] });
  const refusals = new RefusalTally(access);
  return (request: Request, response: TracedResponse, next: NextFunction): void => {
    const started = performance.now();
    const offered = request.headers['x-request-id'];
    const requestId = typeof offered === 'string' && ACCEPTED_ID.test(offered) ? offered : randomUUID();
    response.requestId = requestId;
    response.setHeader('X-Request-Id', requestId);
    const path = redactPath(request.originalUrl);
    response.once('close', () => {
      const ms = performance.now() - started;
      const route = (request as { route?: { path?: string } }).route?.path;
      metrics.observe(request.method, route, response.statusCode, ms / 1000);
      const slug = response.scope?.tenant?.slug;
      if (response.isOneOfMany && slug !== undefined) return refusals.count(slug);
      access.info(
        {
          request_id: requestId,
          tenant: slug,
          actor: whoOf(response.scope?.actor),
          method: request.method,
          route,
          path,
          status: response.statusCode,
          ms: Math.round(ms * 100) / 100,
          aborted: response.writableFinished ? undefined : true,
        },
        'request',
      );
    });
    next();
  };
}

/** Ids only: names and addresses of people stay out of the log. */
function whoOf(actor: Actor | undefined): object | undefined {
  return actor && { kind: actor.kind, id: actor.id, impersonator: actor.impersonator?.id };
}
