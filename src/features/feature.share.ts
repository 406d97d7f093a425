import { createHash } from 'node:crypto';

/** Basis points: a percentage may have two decimals. */
export const SHARES = 10_000;

/**
 * Where a user stands among all, from 0 to 9999: always the same for one feature and tenant, and another for the next
 * feature, so that it is not the same users who try out everything.
 *
 * @param person id of the user, or of a visitor's session
 */
export function shareOf(feature: string, tenantId: string, person: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([feature, tenantId, person]))
    .digest();
  // Of 48 bits, the remainder favours no share by more than one in 10^10.
  return hash.readUIntBE(0, 6) % SHARES;
}

/** Whether that share of all users includes the one who stands there; with a larger percentage it still does. */
export function isWithin(share: number, percentage: number): boolean {
  return share < Math.round((percentage * SHARES) / 100);
}
