import { AppError } from '../common/index.js';

/** What {@link LimitExceeded} tells of the policy that refused. */
export interface RefusedBy {
  /** As in the headers. */
  name: string;
  /** The limit as the client is told of it: the last part of its setting's key where it has one. */
  label: string;
  /** Whose quota it is: `this tenant`. */
  whose: string;
  /** Requests allowed per window. */
  quota: number;
}

/** One of the limits that apply to the request is used up: 429 with the time to wait. */
export class LimitExceeded extends AppError {
  /** Seconds until a request would be let through again. */
  readonly retryAfterSeconds: number;

  /** @param retryAfterSeconds seconds to wait, at least 1. */
  constructor({ name, label, whose, quota }: RefusedBy, retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'rate_limited',
      detail: `Limit ${label} of ${quota} exceeded for ${whose}.`,
      remedy:
        `Wait ${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'} (see Retry-After) ` +
        'or ask for a higher limit.',
      headers: { 'Retry-After': String(retryAfterSeconds) },
      extensions: { policy: name },
    });
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** One address has asked too often: 429 with the time to wait. */
export class AddressLimitExceeded extends AppError {
  /** @param windowSeconds and retryAfterSeconds in seconds */
  constructor(name: string, quota: number, windowSeconds: number, retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'address_rate_limited',
      detail: `Limit ${name} of ${quota} requests in ${windowSeconds} seconds exceeded for this address.`,
      remedy: `Wait ${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'} (see Retry-After).`,
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}

/** Requests are counted in Redis or not at all (`LIMITS_ON_STORE_FAILURE=closed`), and it does not answer: 503. */
export class LimitsUnavailable extends AppError {
  constructor() {
    super({
      status: 503,
      code: 'limits_unavailable',
      detail: 'Requests cannot be counted at the moment.',
      remedy: 'Try again in a few seconds (see Retry-After).',
      headers: { 'Retry-After': '5' },
    });
  }
}
