import { AppError } from '../common/index.js';

/** No tenant scope is open where one is needed. A programming error: answered as 500, nothing was read or written. */
export class TenantContextMissing extends AppError {
  constructor(what: string) {
    super({
      status: 500,
      code: 'tenant_context_missing',
      detail: `${what} needs a tenant scope and none is open.`,
      remedy: 'Run it inside TenantRunner.run(tenant, …).',
    });
  }
}

/** A row, a criterion or a value names another tenant than the open scope. Nothing was changed. */
export class TenantMismatch extends AppError {
  constructor(what: string) {
    super({
      status: 500,
      code: 'tenant_mismatch',
      detail: `${what} belongs to another tenant than the open scope.`,
      remedy: 'Leave tenantId out; the kernel sets it.',
    });
  }
}

/** One tenant's scope was opened inside another's. */
export class TenantScopeConflict extends AppError {
  constructor() {
    super({
      status: 500,
      code: 'tenant_scope_conflict',
      detail: 'A tenant scope cannot be opened inside the scope of another tenant.',
      remedy: 'Let the outer scope end first.',
    });
  }
}

/** A statement came after its unit of work had ended, usually from a promise that nobody awaited. */
export class TenantTransactionEnded extends AppError {
  constructor() {
    super({
      status: 500,
      code: 'tenant_transaction_ended',
      detail: 'The transaction of this statement has already ended.',
      remedy: 'Await everything inside the transaction callback.',
    });
  }
}

/** Raw SQL opened a transaction by itself. Its connection is thrown away, and with it what the statement did. */
export class TransactionByRawSql extends AppError {
  constructor() {
    super({
      status: 500,
      code: 'transaction_by_raw_sql',
      detail: 'A statement opened a transaction of its own.',
      remedy: 'Use TenantTransaction.run(…) instead of BEGIN.',
    });
  }
}

/** A transaction asked for a snapshot that would be older than its entry into the tenant's scope. */
export class IsolationLevelRefused extends AppError {
  constructor() {
    super({
      status: 500,
      code: 'isolation_level_refused',
      detail: 'A tenant transaction runs in READ COMMITTED: an older snapshot would not see that the tenant has moved.',
      remedy: 'Lock the rows that must not change meanwhile (SELECT … FOR UPDATE).',
    });
  }
}

/** A call to the outside was about to be made while a transaction is open. */
export class TransactionOpenDuringCall extends AppError {
  constructor(what: string) {
    super({
      status: 500,
      code: 'transaction_open_during_call',
      detail: `${what} must not be called while a transaction is open.`,
      remedy: 'Make the call first and open the transaction after it.',
    });
  }
}

/** Unknown, archived, foreign and disagreeing tenants: one and the same answer. */
export class UnknownTenant extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'tenant_not_found',
      detail: 'Unknown tenant_id',
      remedy: 'Check the tenant named by host, path, X-Tenant-ID or tenant_id; all that are given must agree.',
    });
  }
}

/** Named by the request, and out of service for the time being. Active and suspended slugs are as public as DNS names. */
export class TenantSuspended extends AppError {
  /** @param reason in words for everybody; not every suspension has one */
  constructor(reason: string | null | undefined) {
    super({
      status: 403,
      code: 'tenant_suspended',
      detail: reason ? `This tenant is suspended: ${reason}` : 'This tenant is suspended.',
      remedy: 'An owner of the tenant can sign in, settle what is open and take the data along.',
      extensions: { reason: reason ?? null },
    });
  }
}

export class TenantRequired extends AppError {
  constructor() {
    super({
      status: 400,
      code: 'tenant_required',
      detail: 'This route needs a tenant and the request names none.',
      remedy:
        'Name it by domain, path prefix, X-Tenant-ID header or, where documented, tenant_id in the body, or send a credential.',
    });
  }
}

/** Every connection that may be open is in use, and none came free in time. */
export class ConnectionsExhausted extends AppError {
  constructor() {
    super({
      status: 503,
      code: 'database_busy',
      detail: 'All database connections are in use.',
      remedy: 'Try again shortly.',
      headers: { 'Retry-After': '2' },
    });
  }
}

/** One tenant has as much under way, and waiting, as it may. Others are served. */
export class TenantBusy extends AppError {
  constructor() {
    // It tells nothing that the code does not, and whoever floods would have it captured a thousand times a second.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super({
      status: 503,
      code: 'tenant_busy',
      detail: 'This tenant has as many requests under way as it may.',
      remedy: 'Try again shortly, with fewer requests at the same time.',
      headers: { 'Retry-After': '1' },
    });
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A statement took longer than the tenant's plan allows, and was stopped. Its transaction was rolled back. */
export class StatementTimedOut extends AppError {
  /** @param timeoutMs what was allowed, in ms */
  constructor(timeoutMs: number, cause?: unknown) {
    super({
      status: 503,
      code: 'statement_timeout',
      detail: `The database needed longer than the ${timeoutMs} ms that this tenant's plan allows.`,
      remedy: 'Ask for less at once: with a narrower filter, or in smaller pages.',
      cause,
    });
  }
}

/** A query would have read more rows than the tenant's plan allows. */
export class ResultTooLarge extends AppError {
  /** @param rows as many as are allowed */
  constructor(rows: number) {
    super({
      status: 422,
      code: 'result_too_large',
      detail: `The result has more than the ${rows} rows that this tenant's plan allows.`,
      remedy: 'Ask for it in pages.',
    });
  }
}

/** The tenant was between two places for longer than a request waits. Nothing was done. */
export class TenantMoving extends AppError {
  constructor(cause?: unknown) {
    super({
      status: 503,
      code: 'tenant_moving',
      detail: "This tenant's data is being moved right now.",
      remedy: 'Try again shortly.',
      headers: { 'Retry-After': '2' },
      cause,
    });
  }
}

/** The place of this tenant's data cannot be used right now. Other tenants are served. */
export class PlacementUnavailable extends AppError {
  constructor(cause?: unknown) {
    super({
      status: 503,
      code: 'placement_unavailable',
      detail: "This tenant's database cannot be reached right now.",
      remedy: 'Try again shortly.',
      headers: { 'Retry-After': '5' },
      cause,
    });
  }
}
