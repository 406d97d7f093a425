import type { Share } from './fair.queue.js';
import { type Bound, boundOf } from './tenant.bounds.js';
import type { Tenant } from './tenant.js';

/** Of the setting with a tenant's weight among those that wait. */
export const WEIGHT_KEY = 'limits.weight';
/** The largest weight. */
export const MAX_WEIGHT = 100;
const WEIGHT: Bound = { key: WEIGHT_KEY, min: 1, max: MAX_WEIGHT, default: 1 };

/** A tenant's share of what tenants wait for together. */
export function shareOf(tenant: Pick<Tenant, 'id' | 'settings' | 'inherited'>): Share {
  return { tenantId: tenant.id, weight: boundOf(tenant, WEIGHT) };
}
