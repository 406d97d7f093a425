import { QueryFailedError } from 'typeorm';
import { StatementTimedOut } from './tenancy.errors.js';
import { boundOf, STATEMENT_TIMEOUT } from './tenant.bounds.js';
import type { Tenant } from './tenant.js';

/** SQLSTATE query_canceled: by a timeout, or by somebody (PostgreSQL documentation, appendix A). */
const QUERY_CANCELED = '57014';

/** A statement that has failed. */
export interface FailedStatement {
  tenant: Tenant;
  text: string;
  values: unknown[];
  /** When it was sent, by `performance.now()`. */
  since: number;
}

/** @returns StatementTimedOut when it took longer than its tenant's plan allows, QueryFailedError otherwise */
export function failureOf(error: Error, { tenant, text, values, since }: FailedStatement): Error {
  const failed = new QueryFailedError(text, values, error);
  if ((error as { code?: unknown }).code !== QUERY_CANCELED) return failed;
  const timeoutMs = boundOf(tenant, STATEMENT_TIMEOUT);
  return isTimeout(error.message, performance.now() - since, timeoutMs)
    ? new StatementTimedOut(timeoutMs, failed)
    : failed;
}

/** The server says who canceled in words alone, in the language it is set to; in others than English time tells. */
function isTimeout(message: string, tookMs: number, timeoutMs: number): boolean {
  if (message.includes('statement timeout')) return true;
  return !message.includes('user request') && tookMs >= timeoutMs;
}
