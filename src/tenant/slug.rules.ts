import { ValidationFailed } from '../common/index.js';
import { SLUG } from '../tenancy/index.js';
import { isReservedSlug } from './reserved-slugs.js';

/** @throws ValidationFailed for a slug that is malformed or reserved */
export function checkSlug(slug: string): void {
  if (!SLUG.test(slug)) {
    throw new ValidationFailed([
      { pointer: '/slug', detail: 'must be a DNS label: 1 to 63 of a-z, 0-9 and inner hyphens' },
    ]);
  }
  if (isReservedSlug(slug)) throw new ValidationFailed([{ pointer: '/slug', detail: 'is reserved' }]);
}
