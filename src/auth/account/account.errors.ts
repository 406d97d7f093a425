import { AppError } from '../../common/index.js';

/** A link of a mail that is unknown here, used, replaced by a newer one or too old: which is nobody's business. */
export class LinkInvalid extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'link_invalid',
      detail: 'The link is not valid, or not any more.',
      remedy: 'Only the newest mail counts, and each link works once. Ask for a new one.',
    });
  }
}

/** The signed-in person could not show that they know the password. */
export class PasswordRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'password_refused',
      detail: 'The current password is not right.',
      remedy: 'Check it, or ask for a new one with POST /api/auth/forgot-password.',
    });
  }
}

/** Somebody else asked for the address that is being verified; the person whose account it is has to agree. */
export class PasswordNeeded extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'password_needed',
      detail: 'Somebody else gave this address to the account: its password is needed as well.',
      remedy: 'Send `password` with the token. Who forgot it asks for a new one at the present address.',
    });
  }
}

export class EmailVerifiedAlready extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'email_verified_already',
      detail: 'This e-mail address is verified.',
      remedy: 'Nothing is left to do.',
    });
  }
}

/** @param seconds until the next mail may be asked for, at most */
export class TooManyMails extends AppError {
  constructor(seconds: number) {
    super({
      status: 429,
      code: 'too_many_mails',
      detail: 'Enough mails of this kind are on their way.',
      remedy: 'Look for the newest of them, also among unwanted mail, before asking for another.',
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
