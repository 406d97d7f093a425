import { AppError, ValidationFailed } from '../../common/index.js';

/** Somebody reached for more than they have. */
export class GrantRefused extends AppError {
  /** @param missing the permissions that the caller lacks */
  constructor(missing: string[]) {
    super({
      status: 403,
      code: 'grant_refused',
      detail: `This reaches permissions that you do not hold: ${missing.join(', ')}.`,
      remedy: 'Ask somebody who holds them, such as an owner of the tenant.',
    });
  }
}

/** An API key that ends, or that works from some addresses only, reached for what would outlive those bounds. */
export class BoundedKeyRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'api_key_bounded',
      detail: 'An API key with an expiry or address ranges neither makes people nor changes what they can do.',
      remedy: 'Use a key without expiry and address ranges, or sign in.',
    });
  }
}

/** 422 that names the field. */
export function unknownRole(): ValidationFailed {
  return new ValidationFailed([{ pointer: '/role', detail: 'must be a role of this tenant' }]);
}
