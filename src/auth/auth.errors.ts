import { AppError } from '../common/index.js';

const BEARER = { 'WWW-Authenticate': 'Bearer' };
const INVALID = { 'WWW-Authenticate': 'Bearer error="invalid_token"' };

/** No such session in this tenant, or it has been idle too long. */
export class UnknownSession extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'session_not_found',
      detail: 'Unknown session_id',
      remedy: 'Open a new session with POST /session.',
    });
  }
}

/** An authentic session of another tenant. */
export class SessionOfAnotherTenant extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'session_of_another_tenant',
      detail: 'Session does not belong to tenant',
      remedy: 'Use the session with the tenant it was opened for, or open one here with POST /session.',
    });
  }
}

export class SessionRequired extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'session_required',
      detail: 'This route needs a chat session and the request carries none.',
      remedy: 'Send the header `Authorization: Session <session_id>`.',
      headers: { 'WWW-Authenticate': 'Session' },
    });
  }
}

/** Visitors are not taken here, or the session belongs to somebody who has to be signed in. */
export class SignInRequired extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sign_in_required',
      detail: 'This takes no anonymous visitors.',
      remedy: 'Sign in with POST /api/auth/login and send `Authorization: Bearer <access_token>`.',
      headers: BEARER,
    });
  }
}

export class CredentialRequired extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'credential_required',
      detail: 'This route needs a signed-in user or an API key and the request carries neither.',
      remedy: 'Send `Authorization: Bearer <access_token or API key>`.',
      headers: BEARER,
    });
  }
}

/** Malformed, expired, revoked or not ours: which of these is nobody's business. */
export class CredentialInvalid extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'credential_invalid',
      detail: 'The credential is not valid, or not any more.',
      remedy: 'Refresh the access token with POST /api/auth/refresh, or sign in again.',
      headers: INVALID,
    });
  }
}

/** @param permission the one that the route asks for */
export class PermissionMissing extends AppError {
  constructor(permission: string) {
    super({
      status: 403,
      code: 'permission_missing',
      detail: `This needs the permission ${permission}.`,
      remedy: 'Ask an owner or admin of the tenant for a role or a key that holds it.',
    });
  }
}

/** A platform admin who acts as a user reached for something that stays the user's own. */
export class RefusedUnderImpersonation extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'refused_under_impersonation',
      detail: 'This is not done while acting as somebody else.',
      remedy: 'The user has to do it.',
    });
  }
}

/** Wrong address, wrong password or no such user, all the same. */
export class SignInRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sign_in_refused',
      detail: 'The e-mail address or the password is not right.',
      remedy: 'Check both, or ask for a new password with POST /api/auth/forgot-password.',
      headers: BEARER,
    });
  }
}

/** A session that goes on without what its role has come to demand. */
export class SignInAgain extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sign_in_again',
      detail: 'Your role needs a second factor, and there is none yet.',
      remedy: 'Sign in with POST /api/auth/login, which leads through setting one up.',
      headers: INVALID,
    });
  }
}

/** A refresh token that is unknown here, expired, revoked or used up. */
export class RefreshRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'refresh_refused',
      detail: 'The refresh token is not valid, or not any more.',
      remedy: 'Sign in again with POST /api/auth/login.',
      headers: INVALID,
    });
  }
}
