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

/** 422 that names the field. */
export function unknownRole(): ValidationFailed {
  return new ValidationFailed([{ pointer: '/role', detail: 'must be a role of this tenant' }]);
}
