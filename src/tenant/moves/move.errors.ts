import { AppError, StatedFailure } from '../../common/index.js';
import type { TenantStatus } from '../../tenancy/index.js';

export class MoveRunning extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'move_running',
      detail: 'The tenant is being moved already.',
      remedy: 'Wait until that move has ended, or abort it with DELETE /api/admin/tenants/{tenant}/move.',
      headers: { 'Retry-After': '5' },
    });
  }
}

export class AlreadyThere extends AppError {
  constructor(isolation: string, server: string) {
    super({
      status: 409,
      code: 'already_there',
      detail: `The tenant is in the isolation ${isolation} on the server ${server}.`,
      remedy: 'Name another isolation or another server.',
    });
  }
}

export class NotMovable extends AppError {
  /** @param why how the tenant is instead */
  constructor(status: TenantStatus, why = status as string) {
    super({
      status: 409,
      code: 'tenant_not_movable',
      detail: `A tenant that is ${why} cannot be moved.`,
      remedy: 'Active, suspended and archived tenants can be, once their provisioning or reset has ended.',
      extensions: { tenant_status: status },
    });
  }
}

export class MoveNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'move_not_found',
      detail: 'The tenant has never been moved.',
      remedy: 'Begin a move with POST /api/admin/tenants/{tenant}/move.',
    });
  }
}

/** There is nothing to abort. */
export class MoveOver extends AppError {
  /** @param switched whether the tenant has moved, or is about to have */
  constructor(switched: boolean) {
    super({
      status: 409,
      code: 'move_over',
      detail: switched ? 'The tenant has moved.' : 'No move of the tenant is under way.',
      remedy: switched
        ? 'Move it back; what is kept at the source is replaced.'
        : 'Look at its last move to see how it ended.',
    });
  }
}

/** Another worker has the move by now: what was to be noted was not. */
export class MoveLost extends Error {
  constructor() {
    super('The move is in other hands.');
    this.name = 'MoveLost';
  }
}

/** Somebody asked for an end, or the tenant is about to be erased. */
export class MoveAborted extends Error {
  constructor() {
    super('The move was aborted.');
    this.name = 'MoveAborted';
  }
}

/** The process stops; another one goes on. */
export class MoveInterrupted extends Error {
  constructor() {
    super('The process stops.');
    this.name = 'MoveInterrupted';
  }
}

/** What stands in the way of a move, in words that an admin may read. */
export class MoveFailure extends StatedFailure {}

/** What was copied is not what is at the source; the copy begins anew. */
export class CopyUnfit extends StatedFailure {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, false, options);
  }
}

/** A migration has come in between, so that rows of a table may not have been told of. */
export class TablesChanged extends CopyUnfit {
  constructor() {
    super('the tables are not those that were compared');
  }
}
