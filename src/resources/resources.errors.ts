import { AppError } from '../common/index.js';

/** A thing of the tenant's own cannot be had, by its settings or because its peer does not play along. */
export class ResourceUnavailable extends AppError {
  /** @param reason what an admin may read: neither secrets nor what a peer answered */
  constructor(
    readonly resource: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super({
      status: 503,
      code: 'resource_unavailable',
      detail: `${resource} of this tenant cannot be used: ${reason}`,
      remedy: "Let an admin check the tenant's settings for it, or try again later.",
      headers: { 'Retry-After': '5' },
      cause,
    });
  }
}

export class UnknownResource extends AppError {
  constructor(resource: string) {
    super({
      status: 404,
      code: 'resource_not_found',
      detail: `There is no resource "${resource}".`,
      remedy: 'GET /api/resources lists those there are.',
    });
  }
}
