import { AppError } from '../../common/index.js';

export class SsoNotConfigured extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'sso_not_configured',
      detail: 'This tenant has no single sign-on.',
      remedy: 'Sign in with POST /api/auth/login, or have an owner set sso.issuer and sso.client_id.',
    });
  }
}

/** The answer of the provider is not one to a sign-in that this browser began here a moment ago. */
export class SsoStateRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sso_state_refused',
      detail: 'This sign-in was not begun in this browser, took too long, or was used before.',
      remedy: 'Begin again with GET /api/auth/sso/start; cookies have to be allowed.',
    });
  }
}

/** Why somebody whom the provider knows is not signed in; for the tenant's log, not for the browser. */
export type SsoRefusal =
  | 'declined at the provider'
  | 'answer of the provider not accepted'
  | 'address not verified by the provider'
  | 'address not verified here'
  | 'unknown person'
  | 'disabled person'
  | 'linked to another account of the provider';

/** Which of the reasons it was is for the tenant's audit log. */
export class SsoRefused extends AppError {
  constructor(
    readonly reason: SsoRefusal,
    cause?: unknown,
  ) {
    super({
      status: 401,
      code: 'sso_refused',
      detail: 'Single sign-on does not let you in here.',
      remedy: 'Ask an admin of the tenant: its audit log says why.',
      cause,
    });
  }
}

/** A code for tokens that is unknown here, used, too old or not this page's. */
export class SsoCodeRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sso_code_refused',
      detail: 'This code is not valid, or not any more.',
      remedy:
        'A code works once, for one minute, with the code_verifier of who began. Begin with GET /api/auth/sso/start.',
    });
  }
}

/** Unknown, of somebody else or of another tenant: one answer. */
export class UnknownIdentity extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'identity_not_found',
      detail: 'The person is linked to no such account of a provider.',
      remedy: 'List those that there are.',
    });
  }
}

export class LastWayToSignIn extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'last_way_to_sign_in',
      detail: 'Without it you could not sign in any more.',
      remedy: 'Set a password first, by POST /api/auth/forgot-password, or let an admin unlink it.',
    });
  }
}
