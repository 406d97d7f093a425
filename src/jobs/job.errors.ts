import { AppError, StatedFailure } from '../common/index.js';

/** Nobody declares a handler of this name. Nothing was enqueued. */
export class UnknownJob extends AppError {
  constructor(name: string, scope: string) {
    super({
      status: 500,
      code: 'job_unknown',
      detail: `No ${scope} job is called ${name}.`,
      remedy: 'Declare its handler with the decorator of its kind, on a provider of an imported module.',
    });
  }
}

/** The payload is not what the handler declares. Nothing was enqueued. */
export class JobPayloadInvalid extends AppError {
  /** @param at the fields at fault; never their values */
  constructor(name: string, at: string[]) {
    super({
      status: 500,
      code: 'job_payload_invalid',
      detail: `The payload of a job ${name} is not what its handler declares: ${at.join(', ')}.`,
      remedy: 'Pass a payload that fits the class given in the decorator.',
    });
  }
}

export class JobNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'job_not_found',
      detail: 'There is no such job.',
      remedy: 'List the jobs; those that are done are kept for an hour only.',
    });
  }
}

/** The job's state does not allow what was asked. */
export class JobStateConflict extends AppError {
  constructor(state: string, allowed: string) {
    super({
      status: 409,
      code: 'job_state_conflict',
      detail: `The job is ${state}; ${allowed}.`,
      remedy: 'Read the job again and try when its state allows it.',
    });
  }
}

/** A failure whose reason may be stored and logged: it holds nothing of the payload. */
export class JobFailure extends StatedFailure {}
