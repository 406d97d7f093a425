import type { TenantStatus } from '../../tenancy/index.js';

/** What a platform admin, a rule or the provisioning does to a tenant's status. */
export type TransitionName =
  'activate' | 'fail' | 'suspend' | 'resume' | 'archive' | 'restore' | 'retry' | 'roll-back' | 'purge';

/** From which statuses each transition leads where. Any other is refused. */
export const TRANSITIONS: Record<TransitionName, { from: readonly TenantStatus[]; to: TenantStatus; event: string }> = {
  activate: { from: ['provisioning'], to: 'active', event: 'tenant.activated' },
  fail: { from: ['provisioning'], to: 'failed', event: 'tenant.failed' },
  suspend: { from: ['active'], to: 'suspended', event: 'tenant.suspended' },
  resume: { from: ['suspended'], to: 'active', event: 'tenant.resumed' },
  archive: { from: ['active', 'suspended'], to: 'archived', event: 'tenant.archived' },
  restore: { from: ['archived'], to: 'suspended', event: 'tenant.restored' },
  retry: { from: ['failed'], to: 'provisioning', event: 'tenant.retried' },
  'roll-back': { from: ['failed'], to: 'deleted', event: 'tenant.rolled_back' },
  purge: { from: ['archived'], to: 'deleted', event: 'tenant.purged' },
};

/** What may be done to a tenant of this status, in the order above. */
export function allowedFrom(status: TenantStatus): TransitionName[] {
  return (Object.keys(TRANSITIONS) as TransitionName[]).filter((name) => TRANSITIONS[name].from.includes(status));
}
