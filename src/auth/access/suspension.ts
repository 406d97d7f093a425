import { type Tenant, TenantSuspended } from '../../tenancy/index.js';

/**
 * While a tenant is suspended, what stays open is for its owners: to sign in, to settle what is open, to take the data
 * along.
 *
 * @param role of whoever asks; undefined for programs and for those that nobody knows
 * @throws TenantSuspended
 */
export function demandOpen(tenant: Tenant, role: string | undefined): void {
  if (tenant.status === 'suspended' && role !== 'owner') throw new TenantSuspended(tenant.suspendedReason);
}
