import { AppError } from '../common/index.js';

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
