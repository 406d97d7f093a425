import { AppError } from '../common/index.js';

export class OutboxEventNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'outbox_event_not_found',
      detail: 'There is no such dead event.',
      remedy: 'List the dead events again; it may have been retried already.',
    });
  }
}
