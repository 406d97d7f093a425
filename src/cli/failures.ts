import { AppError, type FieldError } from '../common/index.js';
import { DatabaseSetupError } from '../database/index.js';
import { EnvError } from '../env/index.js';
import { asProblem, problemDocument } from '../http/index.js';
import { TenantsFileError } from '../tenant/index.js';
import { CommandFailure, EXIT, type ExitCode } from './exit-codes.js';

export interface Failure {
  exit: ExitCode;
  /** Members as of problem+json; `status` only where there is one over HTTP too. */
  problem: { type: string; title: string; status?: number; detail: string; code: string } & {
    remedy?: string;
    errors?: FieldError[];
  };
}

/** Remedies that speak of requests, in the words of the command line. */
const REMEDIES: Record<string, string> = {
  tenant_unknown: 'Look it up with "tenants list --search TEXT".',
  confirmation_mismatch: 'Repeat the slug: --confirm SLUG.',
  revision_mismatch: 'Read it again, and repeat the change with the new ETag in --if-match.',
  validation_failed: 'Correct what is listed and run it again.',
  limit_invalid: 'Correct --limit, or take --all.',
  cursor_invalid: 'Start without --cursor, then pass it as it was shown.',
};

const BY_STATUS: Record<number, ExitCode> = {
  400: EXIT.invalid,
  403: EXIT.refused,
  404: EXIT.unknown,
  409: EXIT.refused,
  412: EXIT.refused,
  422: EXIT.invalid,
  503: EXIT.database,
};

export function failureOf(error: unknown): Failure {
  if (error instanceof CommandFailure) return own(error.exit, error.code, error.message, error.remedy);
  if (error instanceof EnvError) return own(EXIT.environment, 'environment_invalid', error.message);
  if (error instanceof DatabaseSetupError) return own(EXIT.database, 'database_unavailable', error.message);
  if (error instanceof TenantsFileError) return own(EXIT.invalid, 'tenants_file_invalid', error.message);
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (path !== undefined || (code === 'EISDIR' && syscall === 'read')) {
    return own(EXIT.invalid, 'file_unreadable', (error as Error).message, 'Check the name of the file.');
  }
  const problem = asProblem(error);
  const exit = problem.status === 500 ? EXIT.unexpected : (BY_STATUS[problem.status] ?? EXIT.unexpected);
  // Nobody but the operator reads this.
  if (exit === EXIT.unexpected && !(error instanceof AppError)) {
    return own(exit, 'unexpected', error instanceof Error ? error.message : String(error));
  }
  const document = problemDocument({ ...problem, remedy: REMEDIES[problem.code] ?? problem.remedy });
  return { exit, problem: document };
}

function own(exit: ExitCode, code: string, detail: string, remedy?: string): Failure {
  return { exit, problem: { type: `urn:tenantry:problem:${code}`, title: 'Error', detail, code, remedy } };
}

/** Cause, each field at fault, remedy. */
export function linesOf({ problem: { detail, code, errors, remedy } }: Failure): string[] {
  const fields = (errors ?? []).map(({ pointer, detail: what }) => `  ${fieldOf(pointer)} ${what}`);
  return [`${detail} [${code}]`, ...fields, ...(remedy ? [remedy] : [])];
}

function fieldOf(pointer: string): string {
  const path = pointer.slice(1).split('/');
  return path.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')).join('.');
}
