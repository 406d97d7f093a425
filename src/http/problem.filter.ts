import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError, type AppErrorOptions } from '../common/index.js';
import { redactPath } from '../logs/index.js';
import { StatementTimedOut, TenantBusy } from '../tenancy/index.js';
import type { TracedResponse } from './request-log.js';

/** As RFC 9110 has them, where Node still has the words of an older one. */
const TITLES: Record<number, string> = {
  413: 'Content Too Large',
  422: 'Unprocessable Content',
};

/** The one place where an error becomes an answer: problem+json (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<TracedResponse>();
    sendProblem(request, response, error, this.logger);
  }
}

export function sendProblem(request: Request, response: TracedResponse, error: unknown, logger: Logger): void {
  const problem = asProblem(error);
  logFailure(error, problem.status, response.requestId, logger);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.status(problem.status);
  for (const [name, value] of Object.entries(problem.headers ?? {})) response.setHeader(name, value);
  const body = problemDocument(problem, redactPath(request.originalUrl), response.requestId);
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  response.end(JSON.stringify(body));
}

function logFailure(error: unknown, status: number, requestId: string | undefined, logger: Logger): void {
  // What one tenant asks for too often is no failure of ours, and a log that it could fill would be one.
  if (status < 500 || error instanceof TenantBusy) return;
  if (error instanceof StatementTimedOut) logger.warn({ err: error, request_id: requestId }, 'Statement timed out');
  else logger.error({ err: error, request_id: requestId }, 'Request failed');
}

/** The members of RFC 9457 and ours. @param instance the path of the request, if there is one */
export function problemDocument(problem: AppErrorOptions, instance?: string, requestId?: string) {
  return {
    type: `urn:tenantry:problem:${problem.code}`,
    title: TITLES[problem.status] ?? STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.detail,
    instance,
    code: problem.code,
    remedy: problem.remedy,
    errors: problem.errors,
    request_id: requestId,
    ...problem.extensions,
  };
}

export function asProblem(error: unknown): AppErrorOptions {
  if (error instanceof AppError) {
    const { status, code, message, remedy, errors, headers, extensions } = error;
    // The words of a 5xx are for operators: they stand in the log under the same request id.
    if (status === 500) return internal();
    return { status, code, detail: message, remedy, errors, headers, extensions };
  }
  const status = statusOf(error);
  if (status === 503) return { status, code: 'unavailable', detail: messageOf(error), remedy: 'Try again shortly.' };
  if (isConnectionTrouble(error)) {
    return {
      status: 503,
      code: 'database_unavailable',
      detail: 'The database cannot be reached right now.',
      remedy: 'Try again shortly.',
      headers: { 'Retry-After': '2' },
    };
  }
  if (isOutOfRoom(error)) return OUT_OF_ROOM;
  if (isUnstorableText(error)) return UNSTORABLE_TEXT;
  if (status === undefined || status >= 500) return internal();
  return (
    KNOWN[typeOf(error)] ??
    KNOWN[String(status)] ?? { status, code: 'bad_request', detail: 'The request is not valid.' }
  );
}

const OUT_OF_ROOM: AppErrorOptions = {
  status: 503,
  code: 'database_full',
  detail: 'The database has no room to store this right now.',
  remedy: 'Try again later. What was stored before can be read.',
  headers: { 'Retry-After': '30' },
};

/** Whoever lets such a text through to the database has a rule to add; the sender is not told of a fault of ours. */
const UNSTORABLE_TEXT: AppErrorOptions = {
  status: 422,
  code: 'text_not_storable',
  detail: 'A text of the request holds a character that cannot be stored.',
  remedy: 'Leave out control characters such as NUL.',
};

const KNOWN: Record<string, AppErrorOptions> = {
  'entity.parse.failed': {
    status: 400,
    code: 'malformed_json',
    detail: 'The request body is not valid JSON.',
    remedy: 'Send a JSON document in UTF-8.',
  },
  'entity.too.large': {
    status: 413,
    code: 'body_too_large',
    detail: 'The request body is larger than 256 KiB.',
    remedy: 'Send less at once.',
  },
  '400': {
    status: 400,
    code: 'bad_request',
    detail: 'The request is not valid.',
    remedy: 'Check the URL and headers.',
  },
  '404': {
    status: 404,
    code: 'route_not_found',
    detail: 'There is nothing at this address.',
    remedy: 'See /docs for the routes that exist.',
  },
  '413': {
    status: 413,
    code: 'body_too_large',
    detail: 'The request body is too large.',
    remedy: 'Send less at once.',
  },
  '415': {
    status: 415,
    code: 'unsupported_media_type',
    detail: 'The request body has a type or encoding that is not understood.',
    remedy: 'Send application/json in UTF-8.',
  },
};

function internal(): AppErrorOptions {
  return {
    status: 500,
    code: 'internal_error',
    detail: 'Something went wrong on our side.',
    remedy: 'Try again; if it stays, report the request_id.',
  };
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { status?: unknown } | undefined)?.status;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : undefined;
}

function typeOf(error: unknown): string {
  const type = (error as { type?: unknown } | undefined)?.type;
  return typeof type === 'string' ? type : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'Not available.';
}

/** SQLSTATE disk_full, out_of_memory, and io_error, which a full disk is when it shows late. */
function isOutOfRoom(error: unknown): boolean {
  const { code, driverError } = (error ?? {}) as { code?: string; driverError?: unknown };
  return driverError ? isOutOfRoom(driverError) : code === '53100' || code === '53200' || code === '58030';
}

/** SQLSTATE character_not_in_repertoire and untranslatable_character: a NUL, or what the encoding does not have. */
function isUnstorableText(error: unknown): boolean {
  const { code, driverError } = (error ?? {}) as { code?: string; driverError?: unknown };
  return driverError ? isUnstorableText(driverError) : code === '22021' || code === '22P05';
}

/** SQLSTATE classes 08 and 57, and what the driver says when a connection cannot be had. */
export function isConnectionTrouble(error: unknown): boolean {
  const { code, message, driverError } = (error ?? {}) as { code?: string; message?: string; driverError?: unknown };
  if (driverError) return isConnectionTrouble(driverError);
  if (typeof code === 'string' && /^(08\w{3}|57P0\d|53300|ECONN\w+|EPIPE)$/.test(code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered/.test(message ?? '');
}

export type { Response };
