import { AppError } from '../../common/index.js';

/** The connection was closed before the password's turn came; nobody reads this answer. */
export class ClientLeft extends AppError {
  constructor() {
    super({ status: 408, code: 'client_left', detail: 'The client left before the answer.', remedy: 'Try again.' });
  }
}

/** As many passwords are being checked as this process takes on at once. */
export class SignInBusy extends AppError {
  /** @param retryAfterSeconds until the queue has probably emptied, at least 1 */
  constructor(retryAfterSeconds: number) {
    super({
      status: 503,
      code: 'sign_in_busy',
      detail: 'Too many people are signing in right now.',
      remedy: 'Try again after the seconds in Retry-After.',
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}
