import { AppError } from '../common/index.js';
import type { TenantStatus } from '../tenancy/index.js';
import { allowedFrom, type TransitionName } from './lifecycle/transitions.js';

/** For platform admins only: to everybody else an unknown tenant is answered by the kernel. */
export class UnknownTenant extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'tenant_unknown',
      detail: 'There is no tenant of this slug or id.',
      remedy: 'Look it up with GET /api/admin/tenants?q=…',
    });
  }
}

/** Slugs are never given out again, so one is taken also by a tenant that is gone. */
export class SlugTaken extends AppError {
  /** @param suggestions slugs like it that are free */
  constructor(
    readonly slug: string,
    suggestions?: string[],
  ) {
    super({
      status: 409,
      code: 'slug_taken',
      detail: `The slug "${slug}" is taken.`,
      remedy: 'Choose another. Slugs of tenants that are gone or were renamed are not given out again.',
      errors: [{ pointer: '/slug', detail: 'is taken' }],
      ...(suggestions && { extensions: { suggestions } }),
    });
  }
}

export class TransitionRefused extends AppError {
  constructor(transition: TransitionName, status: TenantStatus) {
    const allowed = allowedFrom(status);
    super({
      status: 409,
      code: 'transition_not_allowed',
      detail: `A tenant that is ${status} cannot be taken through "${transition}".`,
      remedy: allowed.length > 0 ? `Allowed now: ${allowed.join(', ')}.` : 'Nothing can be done to it any more.',
      extensions: { tenant_status: status, allowed },
    });
  }
}

/** A tenant whose data is half that of its source cannot go into service. */
export class ResetUnfinished extends AppError {
  /** @param failed whether it has ended, without success */
  constructor(failed: boolean) {
    super({
      status: 409,
      code: failed ? 'tenant_reset_failed' : 'tenant_resetting',
      detail: failed
        ? 'The tenant could not be brought back to its start, and has only part of its data.'
        : 'The tenant is being brought back to its start, and has only part of its data.',
      remedy: failed
        ? 'POST /api/admin/tenants/{tenant}/provisioning/retry goes on with it; what cannot be mended can be archived.'
        : 'It goes back into service by itself. If it is suspended for another reason, resume it once the reset is done.',
      ...(!failed && { headers: { 'Retry-After': '3' } }),
    });
  }
}

/** No sandbox is in service while the tenant that holds it is not. */
export class HolderOutOfService extends AppError {
  constructor(status: TenantStatus) {
    super({
      status: 409,
      code: 'holder_out_of_service',
      detail: `The tenant that it belongs to is ${status}.`,
      remedy: 'Resume that one first; what was suspended with it comes back with it.',
      extensions: { holder_status: status },
    });
  }
}

export class EditRefused extends AppError {
  constructor(status: TenantStatus) {
    super({
      status: 409,
      code: 'tenant_not_editable',
      detail: `A tenant that is ${status} cannot be edited.`,
      remedy: 'Only active and suspended tenants can be.',
    });
  }
}

export class ConfirmationMismatch extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'confirmation_mismatch',
      detail: 'Deleting a tenant takes its slug as confirmation.',
      remedy: 'Repeat the slug in the query parameter `confirm`.',
    });
  }
}
