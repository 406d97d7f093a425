import { AppError } from '../../common/index.js';

/** The password that was to confirm something is not the caller's. */
export class OwnPasswordWrong extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'password_wrong',
      detail: 'This is not your password.',
      remedy: 'Send your present password.',
      errors: [{ pointer: '/password', detail: 'must be your present password' }],
    });
  }
}
