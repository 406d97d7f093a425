import { AppError } from '../common/index.js';

/** Nobody can sign up here; platform admins make the tenants. */
export class SignupClosed extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'signup_closed',
      detail: 'Nobody can sign up here by themselves.',
      remedy: 'Ask the operator of the service for an account.',
    });
  }
}

/** No invite code, or one that is unknown, used, taken back or too old: which is nobody's business. */
export class InviteRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'signup_invite_required',
      detail: 'Signing up takes an invite code that is good and was not used.',
      remedy: 'Send the code in `invite`, or ask the operator of the service for one.',
    });
  }
}

/** As many sign-ups wait for their mail as are kept, of one address or of all. */
export class TooManySignups extends AppError {
  /** @param retryAfterSeconds until the first of them has run out at the latest */
  constructor(whose: 'address' | 'all', retryAfterSeconds: number) {
    super({
      status: whose === 'address' ? 429 : 503,
      code: whose === 'address' ? 'too_many_signups' : 'signup_busy',
      detail:
        whose === 'address'
          ? 'Too many sign-ups from this address wait for the link in their mail.'
          : 'Too many sign-ups wait for the link in their mail.',
      remedy:
        whose === 'address' ? 'Follow the link in one of the mails, or try again later.' : 'Try again in some minutes.',
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}

/** An authentic link whose time is over, or in whose place a newer mail was sent. */
export class SignupExpired extends AppError {
  constructor() {
    super({
      status: 410,
      code: 'signup_expired',
      detail: 'This link has expired, or a newer mail has taken its place.',
      remedy: 'Use the newest mail, or sign up again.',
    });
  }
}

/** The link has signed somebody in, or cannot any more. */
export class SignupUsed extends AppError {
  constructor(slug: string, url: string) {
    super({
      status: 409,
      code: 'signup_used',
      detail: 'This link was used.',
      remedy: 'Sign in with the mail address and the password of the sign-up.',
      extensions: { tenant: slug, url },
    });
  }
}

export class UnknownInvite extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'signup_invite_unknown',
      detail: 'There is no such invite that could still be used.',
      remedy: 'Look it up with GET /api/admin/signup-invites.',
    });
  }
}
