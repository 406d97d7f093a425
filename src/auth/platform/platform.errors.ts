import { AppError } from '../../common/index.js';

const BEARER = { 'WWW-Authenticate': 'Bearer' };

/** Wrong address, wrong password, disabled or no such admin, all the same. */
export class PlatformSignInRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sign_in_refused',
      detail: 'The e-mail address or the password is not right.',
      remedy: 'Check both, or ask another platform admin.',
      headers: BEARER,
    });
  }
}

/** A refresh token that is unknown, expired, revoked or used up. */
export class PlatformRefreshRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'refresh_refused',
      detail: 'The refresh token is not valid, or not any more.',
      remedy: 'Sign in again with POST /api/admin/auth/login.',
      headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
    });
  }
}

/** Signed in while demo mode let admins in without a second factor. */
export class PlatformSignInAgain extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sign_in_again',
      detail: 'Platform admins need a second factor, and there is none yet.',
      remedy: 'Sign in with POST /api/admin/auth/login, which leads through setting one up.',
      headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
    });
  }
}

/** Malformed, expired, revoked or not ours: which of these is nobody's business. */
export class PlatformCredentialInvalid extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'credential_invalid',
      detail: 'The credential is not valid, or not any more.',
      remedy: 'Refresh the access token with POST /api/admin/auth/refresh, or sign in again.',
      headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
    });
  }
}

/** The password was right; now the second factor. */
export class PlatformMfaRequired extends AppError {
  /**
   * @param enrol whether the admin has none yet and must set one up first
   * @param expiresIn seconds that are left for it
   */
  constructor(mfaToken: string, enrol: boolean, expiresIn: number) {
    super({
      status: 401,
      code: enrol ? 'mfa_enrolment_required' : 'mfa_required',
      detail: enrol ? 'Platform admins need a second factor and there is none yet.' : 'A second factor is needed.',
      remedy: enrol
        ? 'Send mfa_token to POST /api/admin/auth/mfa/enrol, then mfa_token and a code to POST /api/admin/auth/mfa/confirm.'
        : 'Send mfa_token and a code (or a recovery code) to POST /api/admin/auth/login/mfa.',
      headers: BEARER,
      extensions: { mfa_token: mfaToken, expires_in: expiresIn },
    });
  }
}

/** A one-time password is good for choosing another and nothing else. */
export class PasswordChangeRequired extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'password_change_required',
      detail: 'The one-time password has to be changed first.',
      remedy: 'Choose a password with POST /api/admin/auth/change-password.',
    });
  }
}

export class AdminNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'admin_not_found',
      detail: 'There is no such platform admin.',
      remedy: 'List them with GET /api/admin/admins.',
    });
  }
}

export class AdminEmailTaken extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'email_taken',
      detail: 'A platform admin with this e-mail address exists already.',
      remedy: 'Change that one with PATCH /api/admin/admins/{id}, or use another address.',
    });
  }
}

export class LastPlatformAdmin extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'last_platform_admin',
      detail: 'The last active platform admin with the role admin can be neither disabled nor given another role.',
      remedy: 'Give somebody else the role admin first.',
    });
  }
}

export class RoleBeyondOwn extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'role_beyond_own',
      detail: 'A role that may do more than you can neither be given nor taken by you.',
      remedy: 'Ask a platform admin who holds it.',
    });
  }
}

export class ImpersonationNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'impersonation_not_found',
      detail: 'There is no such impersonation.',
      remedy: 'List them first.',
    });
  }
}

export class ImpersonationRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'impersonation_refused',
      detail: 'This tenant lets nobody act as its users.',
      remedy: 'Ask an owner of the tenant to change the setting support.impersonation.',
    });
  }
}

export class ImpersonationPending extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'impersonation_pending',
      detail: 'The tenant has not agreed yet.',
      remedy: 'Wait for its admins, who were told by mail, and try again.',
    });
  }
}

/** Refused, ended or run out. */
export class ImpersonationOver extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'impersonation_over',
      detail: 'This impersonation is over, or was never agreed to.',
      remedy: 'Ask for a new one with POST /api/admin/impersonations.',
    });
  }
}

export class ImpersonatedUserNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'user_not_found',
      detail: 'The tenant has no active user with this id.',
      remedy: 'Check tenant and user_id.',
    });
  }
}

export class OwnSecondFactor extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'own_second_factor',
      detail: 'Nobody resets their own second factor.',
      remedy: 'Replace it with POST /api/admin/auth/mfa/enrol, or ask another platform admin.',
    });
  }
}

export class NoSecondFactor extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'mfa_not_enrolled',
      detail: 'This platform admin has no second factor.',
      remedy: 'Nothing is left to do.',
    });
  }
}
