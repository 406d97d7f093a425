import { isUtf8 } from 'node:buffer';
import { Logger, NotFoundException } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { json, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Logger as Pino } from 'pino';
import { AppError } from '../common/index.js';
import type { Env } from '../env/index.js';
import { TenantAdmission } from '../fairness/index.js';
import { MetricsService } from '../metrics/index.js';
import { TenantContext, TenantResolver, TenantRunner } from '../tenancy/index.js';
import { admissionMiddleware, roomMiddleware } from './admission.middleware.js';
import { corsMiddleware } from './cors.middleware.js';
import { ProblemFilter, sendProblem } from './problem.filter.js';
import { requestLog, type TracedResponse } from './request-log.js';
import { tenancyMiddleware } from './tenancy.middleware.js';
import { validationPipe } from './validation.pipe.js';

/** Larger than the longest message with every character escaped would need. */
const MAX_BODY = '256kb';

/** Routes that read their body themselves, once the caller is let in: what they take has no bounds, or is no JSON. */
const STREAMED: Record<string, RegExp> = {
  // Beneath the slug of a tenant, too, where they are of one.
  POST: /^(\/api\/admin\/tenants\/imports|(\/[^/]+)?\/api\/files)\/?$/i,
  PUT: /^(\/[^/]+)?\/api\/branding\/logo\/?$/i,
};

/** @param own of a product: `POST /api/pets/:id/photos` */
function streamedRoutes(own: readonly string[]): (request: Request) => boolean {
  const routes = own.map((route) => {
    const [, method, path] = /^(POST|PUT|PATCH) (\/[\w/:.-]*)$/.exec(route) ?? [];
    if (method === undefined || path === undefined)
      throw new Error(`${route} is no route such as POST /api/pets/:id/photo.`);
    const pattern = path.replaceAll('.', String.raw`\.`).replaceAll(/:\w+/g, '[^/]+');
    return { method, path: new RegExp(`^(/[^/]+)?${pattern}/?$`, 'i') };
  });
  return ({ method, path }) =>
    STREAMED[method]?.test(path) === true || routes.some((route) => route.method === method && route.path.test(path));
}

/** Levels of nesting in a request body. */
const MAX_DEPTH = 32;

/**
 * The way of every request, in order. Guards, pipes and controllers follow.
 *
 * @param streamed routes of a product that read their body themselves
 */
export function configureApp(
  app: NestExpressApplication,
  env: Env,
  logger: Pino,
  isReserved: (segment: string) => boolean,
  streamed: readonly string[] = [],
): void {
  const unlessStreamed = unless(streamedRoutes(streamed));
  app.set('trust proxy', env.trustedProxies.length > 0 ? env.trustedProxies : false);
  app.set('query parser', 'simple');
  app.disable('x-powered-by');
  app.disable('etag');
  const [context, resolver, runner] = [app.get(TenantContext), app.get(TenantResolver), app.get(TenantRunner)];
  const admission = app.get(TenantAdmission);
  const cors = corsMiddleware(context);
  const problemLogger = new Logger('Problem');
  const answerProblem = (request: Request, response: TracedResponse, error: unknown): void =>
    sendProblem(request, response, error, problemLogger);
  app.use(
    inOneLayer(
      requestLog(logger, app.get(MetricsService)),
      ...(env.role === 'worker' ? [workerRoutes(app.get(MetricsService))] : []),
      roomMiddleware({ resolver, runner, admission, isReserved, cors, refuse: answerProblem }),
      helmet({
        contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
        hsts: env.publicUrl.startsWith('https:'),
      }),
      unlessStreamed(json({ limit: MAX_BODY, strict: false, verify: refuseBadUtf8 })),
      unlessStreamed(refuseUnreadBody),
      tenancyMiddleware(resolver, runner, isReserved, env.baseDomain),
      cors,
      admissionMiddleware(context, runner, admission),
    ),
  );
  // What fails before the router has no filter of Nest's yet.
  app.use((error: unknown, request: Request, response: TracedResponse, _next: NextFunction) =>
    answerProblem(request, response, error),
  );
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter());
}

/** A worker has no API: its port answers those who watch it, and metrics need no port of their own. */
function workerRoutes(metrics: MetricsService): RequestHandler {
  return (request, response, next) => {
    if (request.method === 'GET' && request.path === '/metrics') return metrics.answer(response);
    next(/^\/health\//i.test(request.path) ? undefined : new NotFoundException('This process serves no API.'));
  };
}

/** One after the other, without the router's bookkeeping between them: it costs about as much as what they do. */
function inOneLayer(...steps: RequestHandler[]): RequestHandler {
  return (request, response, next) => {
    let at = 0;
    const proceed = (error?: unknown): void => {
      if (error !== undefined) return next(error);
      const step = steps[at++];
      if (!step) return next();
      try {
        void step(request, response, proceed);
      } catch (thrown) {
        next(thrown);
      }
    };
    proceed();
  };
}

function unless(isStreamed: (request: Request) => boolean): (step: RequestHandler) => RequestHandler {
  return (step) => (request, response, next) => {
    if (!isStreamed(request)) return step(request, response, next);
    request.body = {};
    next();
  };
}

/** Decoding would replace bad bytes, and the text stored would not be the text sent. */
function refuseBadUtf8(_request: unknown, _response: unknown, body: Buffer): void {
  if (!isUtf8(body)) throw Object.assign(new Error('invalid UTF-8'), { status: 400, type: 'entity.parse.failed' });
}

/** A body that is not JSON was not read; a JSON body that is not an object has no fields to look at. */
function refuseUnreadBody(request: Request, _response: Response, next: NextFunction): void {
  const body = request.body as unknown;
  if (body === undefined) {
    const sends =
      request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
    if (sends) return next(Object.assign(new Error('unsupported'), { status: 415 }));
    request.body = {};
  } else if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return next(
      new AppError({
        status: 422,
        code: 'validation_failed',
        detail: 'The request does not have the expected shape.',
        remedy: 'Send a JSON object.',
        errors: [{ pointer: '', detail: 'must be an object' }],
      }),
    );
  } else if (nestedDeeperThan(body, MAX_DEPTH)) {
    return next(
      new AppError({
        status: 422,
        code: 'body_too_deep',
        detail: `The request body is nested more than ${MAX_DEPTH} levels deep.`,
        remedy: 'Send a flatter document.',
        errors: [{ pointer: '', detail: `must be nested at most ${MAX_DEPTH} levels` }],
      }),
    );
  }
  next();
}

/** Without recursion, and no deeper than asked: recursion is what a nested body would exhaust. */
function nestedDeeperThan(value: object, depth: number): boolean {
  let level: unknown[] = [value];
  for (let at = 0; at <= depth; at += 1) {
    level = level.flatMap((entry): unknown[] =>
      typeof entry === 'object' && entry !== null ? Object.values(entry as Record<string, unknown>) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}
