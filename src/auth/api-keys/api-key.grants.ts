import { type FieldError, ValidationFailed } from '../../common/index.js';
import { permissionNamed } from '../access/permissions.js';
import { canonicalRange, rangeWithin } from './address-range.js';
import { GrantExceedsOwn } from './api-key.errors.js';

/** What a key can do, from where and until when. */
export interface KeyReach {
  permissions: string[];
  /** CIDR; empty means from anywhere. */
  addressRanges: string[];
  /** Null means for good. */
  expiresAt: Date | null;
}

/** Who makes or changes a key: what they hold, and for a key also its own bounds. */
export interface Granter {
  permissions: ReadonlySet<string>;
  bounds?: Pick<KeyReach, 'addressRanges' | 'expiresAt'>;
}

/**
 * @returns the permissions, each once
 * @throws ValidationFailed for one that is unknown or that only people can have
 */
export function checkedPermissions(names: string[]): string[] {
  const errors = names.flatMap((name, index): FieldError[] => {
    const permission = permissionNamed(name);
    if (permission && !permission.peopleOnly) return [];
    const detail = permission ? 'must be a permission that a program can have' : 'must be a permission that exists';
    return [{ pointer: `/permissions/${index}`, detail }];
  });
  if (errors.length > 0) throw new ValidationFailed(errors);
  return [...new Set(names)].sort();
}

/**
 * @returns the ranges in canonical form, each once
 * @throws ValidationFailed
 */
export function checkedRanges(texts: string[]): string[] {
  const ranges = texts.map(canonicalRange);
  const errors = ranges.flatMap((range, index) =>
    range === undefined
      ? [{ pointer: `/address_ranges/${index}`, detail: 'must be a range in CIDR notation, such as 192.0.2.0/24' }]
      : [],
  );
  if (errors.length > 0) throw new ValidationFailed(errors);
  return [...new Set(ranges as string[])];
}

/**
 * The rule against escalation. A key that makes keys cannot rid itself of its own bounds through them either.
 *
 * @throws GrantExceedsOwn
 */
export function refuseMoreThanHeld(reach: KeyReach, { permissions, bounds }: Granter): void {
  const errors: FieldError[] = reach.permissions
    .filter((name) => !permissions.has(name))
    .map((name) => ({ pointer: '/permissions', detail: `must not hold ${name}, which you do not` }));
  if (bounds && !isWithin(reach.addressRanges, bounds.addressRanges)) {
    errors.push({ pointer: '/address_ranges', detail: `must be within ${bounds.addressRanges.join(', ')}` });
  }
  if (bounds?.expiresAt && (reach.expiresAt === null || reach.expiresAt > bounds.expiresAt)) {
    errors.push({ pointer: '/expires_at', detail: `must be at most ${bounds.expiresAt.toISOString()}` });
  }
  if (errors.length > 0) throw new GrantExceedsOwn(errors);
}

function isWithin(inner: string[], outer: string[]): boolean {
  if (outer.length === 0) return true;
  return inner.length > 0 && inner.every((range) => outer.some((around) => rangeWithin(range, around)));
}
