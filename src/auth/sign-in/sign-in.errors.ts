import { AppError } from '../../common/index.js';

/** Sign-in attempts are held for a while. The words are the same whichever rule holds them. */
export class TooManyAttempts extends AppError {
  /** @param retryAfterSeconds until the next attempt is looked at, at least 1 */
  constructor(readonly retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'too_many_attempts',
      detail: 'Too many failed attempts to sign in.',
      remedy:
        `Wait ${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'} (see Retry-After), ` +
        'sign in from where you did before, or reset the password.',
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}
