import type { Share } from './fair.queue.js';
import type { Tenant } from './tenant.js';

/** Of the setting with a tenant's weight among those that wait; the kernel is below the slice that declares settings. */
export const WEIGHT_KEY = 'limits.weight';
/** The largest weight. */
export const MAX_WEIGHT = 100;

/** A tenant's share of what tenants wait for together. */
export function shareOf({ id, settings, inherited }: Pick<Tenant, 'id' | 'settings' | 'inherited'>): Share {
  for (const layer of [settings, inherited?.plan, inherited?.platform]) {
    const weight = layer?.[WEIGHT_KEY];
    if (Number.isInteger(weight) && (weight as number) >= 1 && (weight as number) <= MAX_WEIGHT) {
      return { tenantId: id, weight: weight as number };
    }
  }
  return { tenantId: id, weight: 1 };
}
