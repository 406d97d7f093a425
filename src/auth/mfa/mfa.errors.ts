import { AppError } from '../../common/index.js';

/** A signed-in person gave a wrong code, or one that was used before. */
export class CodeRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'code_refused',
      detail: 'The code is not right, or was used before.',
      remedy: 'Wait for the next code of your app and send that one.',
    });
  }
}

export class MfaEnabledAlready extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'mfa_enabled_already',
      detail: 'This account has a second factor.',
      remedy: 'Disable it first with POST /api/auth/mfa/disable.',
    });
  }
}

export class MfaNotEnabled extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'mfa_not_enabled',
      detail: 'This account has no second factor.',
      remedy: 'Set one up with POST /api/auth/mfa/enrol.',
    });
  }
}

/** The tenant wants a second factor of everybody with this role. */
export class MfaDemanded extends AppError {
  constructor(role: string) {
    super({
      status: 409,
      code: 'mfa_demanded',
      detail: `The role ${role} needs a second factor.`,
      remedy: 'Ask an owner or admin of the tenant to change auth.mfa_roles.',
    });
  }
}
