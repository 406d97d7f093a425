import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { Placements } from '../places/placements.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { type Lease, ProvisioningFence } from './provisioning.fence.js';

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
   * @returns the slug that is free again
   * @throws LeaseLost
   */
  async run(lease: Lease): Promise<string> {
    const { tenantId } = lease;
    await this.erasure.erase(tenantId);
    await this.placements.drop(tenantId);
    const { slug } = await this.platform.transaction(async (manager) => {
      const tenant = await this.lifecycle.applyWithin(manager, tenantId, 'roll-back');
      await this.fence.hold(manager, lease);
      await manager.query('DELETE FROM slugs WHERE tenant_id = $1', [tenantId]);
      await manager.query('DELETE FROM tenants WHERE id = $1', [tenantId]);
      return tenant;
    });
    // What the outbox handed on while it was erased: a job, of nobody now.
    await this.erasure.erase(tenantId);
    return slug;
  }
}
