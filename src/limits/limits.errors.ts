import { AppError } from '../common/index.js';

/** The tenant has used up one of its limits: 429 with the time to wait. */
export class LimitExceeded extends AppError {
  /** Seconds until a request would be let through again. */
  readonly retryAfterSeconds: number;

  /**
   * @param setting path of the setting that holds the limit; its last part is named to the client.
   * @param quota requests allowed per window.
   * @param retryAfterSeconds seconds to wait, at least 1.
   */
  constructor(setting: string, quota: number, retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'rate_limited',
      detail: `Limit ${setting.slice(setting.lastIndexOf('.') + 1)} of ${quota} exceeded for this tenant.`,
      remedy:
        `Wait ${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'} (see Retry-After) ` +
        'or ask for a higher limit.',
      headers: { 'Retry-After': String(retryAfterSeconds) },
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
