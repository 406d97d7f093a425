import { AppError } from '../common/index.js';

/** Unknown, archived and another tenant's: one answer. */
export class UnknownSandbox extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'sandbox_not_found',
      detail: 'There is no such sandbox.',
      remedy: 'GET /api/sandboxes lists those there are.',
    });
  }
}

export class SandboxOfSandbox extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'sandbox_of_sandbox',
      detail: 'A sandbox or training tenant cannot be copied from within.',
      remedy: 'Make the copy in the tenant that it was copied from.',
    });
  }
}

/** Only a tenant in service is copied. */
export class SourceNotActive extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'sandbox_source_inactive',
      detail: 'What it is copied from is not in service, or no longer a template.',
      remedy: 'Make a sandbox from something else.',
    });
  }
}

export class TrialOver extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'sandbox_trial_over',
      detail: 'The trial is over, and a sandbox ends with it.',
      remedy: 'Ask the operator of the service for a plan.',
    });
  }
}

export class TooManySandboxes extends AppError {
  constructor(max: number) {
    super({
      status: 409,
      code: 'too_many_sandboxes',
      detail: `A tenant has at most ${max} sandboxes.`,
      remedy: 'Remove one, or reset one that you have.',
    });
  }
}

export class TooManySandboxesToday extends AppError {
  constructor(max: number) {
    super({
      status: 429,
      code: 'too_many_sandboxes_today',
      detail: `A tenant makes at most ${max} sandboxes in 24 hours.`,
      remedy: 'Reset one that you have; that is not counted.',
      headers: { 'Retry-After': '3600' },
    });
  }
}

export class SandboxBusy extends AppError {
  constructor(status: string) {
    super({
      status: 409,
      code: 'sandbox_not_ready',
      detail: `The sandbox is ${status}.`,
      remedy: 'While it is provisioning or resetting, try again in some seconds; else read what can be done to it.',
      headers: { 'Retry-After': '3' },
      extensions: { sandbox_status: status },
    });
  }
}
