import { AppError } from '../../common/index.js';

export class UnknownInvitation extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'invitation_not_found',
      detail: 'There is no such invitation.',
      remedy: 'See GET /api/invitations for those there are.',
    });
  }
}

/** Malformed, expired, used, revoked, replaced or of another tenant: which of these is nobody's business. */
export class InvitationRefused extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'invitation_refused',
      detail: 'The invitation is not valid, or not any more.',
      remedy: 'Ask whoever invited you to send it again.',
    });
  }
}

export class InvitationOpen extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'invitation_open',
      detail: 'This address has an open invitation already.',
      remedy: 'Resend that one, or revoke it first.',
    });
  }
}

export class InvitationClosed extends AppError {
  /** @param how what became of it */
  constructor(how: 'accepted' | 'revoked') {
    super({
      status: 409,
      code: 'invitation_closed',
      detail: `The invitation was ${how}.`,
      remedy: how === 'accepted' ? 'Change or delete the user instead.' : 'Invite the address again.',
    });
  }
}
