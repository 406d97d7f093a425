import { AppError } from '../../common/index.js';

export class UnknownUser extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'user_not_found',
      detail: 'There is no such user.',
      remedy: 'See GET /api/users for those there are.',
    });
  }
}

export class EmailTaken extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'email_taken',
      detail: 'A user of this tenant has this e-mail address already.',
      remedy: 'Give another address, or change that user.',
    });
  }
}

/** A tenant without an owner could never have one again. */
export class LastOwner extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'last_owner',
      detail: 'The last active owner can be neither demoted nor disabled nor deleted.',
      remedy: 'Make somebody else an owner first.',
    });
  }
}
