import { AppError } from '../../common/index.js';

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
