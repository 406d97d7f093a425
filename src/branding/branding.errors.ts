import { AppError } from '../common/index.js';
import { MAX_LOGO_BYTES, MAX_LOGO_SIDE } from './image.js';

export class LogoRefused extends AppError {
  constructor(detail: string) {
    super({
      status: 422,
      code: 'logo_refused',
      detail,
      remedy: `Send a PNG, JPEG, WebP or GIF of at most ${MAX_LOGO_SIDE} pixels a side. SVG is not taken: it can hold programs.`,
    });
  }
}

export class LogoTooLarge extends AppError {
  constructor() {
    super({
      status: 413,
      code: 'logo_too_large',
      detail: `The picture is larger than ${MAX_LOGO_BYTES / 1024} KiB.`,
      remedy: 'Send a smaller one.',
    });
  }
}

export class NoLogo extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'logo_not_found',
      detail: 'The tenant has no logo.',
      remedy: 'An admin sets one by PUT /api/branding/logo.',
    });
  }
}
