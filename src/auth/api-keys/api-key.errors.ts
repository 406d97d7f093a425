import { AppError, type FieldError } from '../../common/index.js';

export class ApiKeyNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'api_key_not_found',
      detail: 'There is no such API key.',
      remedy: 'List the keys with GET /api/api-keys.',
    });
  }
}

export class ApiKeyExpired extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'api_key_expired',
      detail: 'This API key has expired, and its successor would have as well.',
      remedy: 'Give it a later expires_at first, or create a new key.',
    });
  }
}

/** Somebody changed the key between the check and the write. */
export class ApiKeyChanged extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'api_key_changed',
      detail: 'This API key was changed in the meantime.',
      remedy: 'Look at the key, then send the request again.',
    });
  }
}

/** What the key would be able to do is more than its maker can. */
export class GrantExceedsOwn extends AppError {
  constructor(errors: FieldError[]) {
    super({
      status: 403,
      code: 'grant_exceeds_own',
      detail: 'Nobody can give a key more than they have themselves.',
      remedy: 'Leave out what `errors` lists, or ask somebody who has it.',
      errors,
    });
  }
}
