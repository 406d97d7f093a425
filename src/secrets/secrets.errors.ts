import { AppError } from '../common/index.js';

/** A data key, or what it sealed, cannot be opened: a fault of the installation, not of the caller. */
export class KeyUnreadable extends AppError {
  /** @param reason for the operator's log */
  constructor(reason: string, cause?: unknown) {
    super({
      status: 500,
      code: 'secret_unreadable',
      detail: 'A stored secret cannot be read.',
      remedy: 'Set the secret anew; the operator finds the reason in the log.',
      cause: new Error(reason, { cause }),
    });
  }
}

/** A secret of the tenant's own was entered for another address than it would be sent to now. */
export class SecretNeeded extends AppError {
  constructor(key: string) {
    super({
      status: 422,
      code: 'secret_needed',
      detail: `${key} was entered for another address and is not sent to this one: enter it again.`,
      remedy: `Let an admin set ${key} again, in one change with the address or after it.`,
    });
  }
}
