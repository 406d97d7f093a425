import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource, type TenantStatus } from '../../tenancy/index.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { Placements } from '../places/placements.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { type Lease, ProvisioningFence } from './provisioning.fence.js';
import { ProvisioningFailure } from './provisioning.step.js';

/** Never served; an import that died is still being made. */
const UNDONE: readonly TenantStatus[] = ['provisioning', 'failed'];

/**
 * Takes back what a failed provisioning made. Nobody was ever served under its slug, so that is free again. No worker of
 * before writes any more when this begins, nor can one later: see ProvisioningFence.
 */
@Injectable()
export class ProvisioningUndo {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly erasure: TenantErasure,
    private readonly placements: Placements,
    private readonly lifecycle: TenantLifecycle,
    private readonly fence: ProvisioningFence,
  ) {}

  /**
   * May be repeated until it comes to its end.
   *
   * @throws LeaseLost; ProvisioningFailure for a tenant that was in service
   */
  async run(lease: Lease): Promise<void> {
    const { tenantId } = lease;
    await this.platform.transaction(async (manager) => {
      const { status } = await this.lifecycle.lock(manager, tenantId);
      if (!UNDONE.includes(status)) throw new ProvisioningFailure(`the tenant is ${status}, and stays`, true);
      await this.fence.hold(manager, lease);
    });
    await this.erasure.erase(tenantId);
    await this.placements.drop(tenantId);
    await this.platform.transaction(async (manager) => {
      const { status } = await this.lifecycle.lock(manager, tenantId);
      // Of an import that died.
      if (status === 'provisioning') await this.lifecycle.applyWithin(manager, tenantId, 'fail');
      await this.lifecycle.applyWithin(manager, tenantId, 'roll-back');
      await this.fence.hold(manager, lease);
      await manager.query('DELETE FROM slugs WHERE tenant_id = $1', [tenantId]);
      await manager.query('DELETE FROM tenants WHERE id = $1', [tenantId]);
    });
    // What the outbox handed on while it was erased: a job, of nobody now. Unless it was imported anew under its id.
    await this.fence.whileGone(tenantId, () => this.erasure.erase(tenantId));
  }
}
