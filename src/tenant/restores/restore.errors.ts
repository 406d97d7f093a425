import { AppError, StatedFailure } from '../../common/index.js';
import type { TenantStatus } from '../../tenancy/index.js';
import type { RestoreState } from './restore.js';

export class RestoreOpen extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'restore_open',
      detail: 'The tenant is being restored from a backup.',
      remedy: 'Have that restore swapped in, or discard it with DELETE /api/admin/tenants/{tenant}/restores/{id}.',
    });
  }
}

export class NotRestorable extends AppError {
  /** @param why how the tenant is instead */
  constructor(status: TenantStatus, why = status as string) {
    super({
      status: 409,
      code: 'tenant_not_restorable',
      detail: `A tenant that is ${why} cannot be restored from a backup.`,
      remedy: 'Active, suspended and archived tenants can be, once their provisioning or reset has ended.',
      extensions: { tenant_status: status },
    });
  }
}

export class RestoreNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'restore_not_found',
      detail: 'The tenant has no such restore.',
      remedy: 'See GET /api/admin/tenants/{tenant}/restores for those it has.',
    });
  }
}

/** It is not in the state that what was asked for needs. */
export class RestoreNotReady extends AppError {
  constructor(state: RestoreState) {
    super({
      status: 409,
      code: 'restore_not_ready',
      detail: `The restore is ${state}.`,
      remedy:
        'Differences are told of, and a swap is made, of a restore that is ready; what is done or ended stays so.',
      extensions: { state },
    });
  }
}

/** A migration has come since it was made, of which one of its places has not heard yet. */
export class RestoreOutdated extends AppError {
  constructor(cause: unknown) {
    super({
      status: 409,
      code: 'restore_outdated',
      detail: 'The tables of the restored rows are not those of the present ones any more.',
      remedy:
        'A swap brings both to the same version first. To see differences again, discard the restore and begin anew.',
      cause,
    });
  }
}

/** Whoever swaps names the tenant once more. */
export class SwapNotConfirmed extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'confirmation_mismatch',
      detail: 'The confirmation is not the slug of the tenant.',
      remedy: 'Send {"confirm": "<slug>"} with the slug as GET /api/admin/tenants/{tenant} tells it.',
    });
  }
}

/** Another worker has it by now, or somebody wants it to end: what was to be noted was not. */
export class RestoreLost extends Error {
  constructor() {
    super('The restore is in other hands.');
    this.name = 'RestoreLost';
  }
}

/** The process stops; another one goes on. */
export class RestoreInterrupted extends Error {
  constructor() {
    super('The process stops.');
    this.name = 'RestoreInterrupted';
  }
}

/** What stands in the way, in words that an admin may read. */
export class RestoreFailure extends StatedFailure {}
