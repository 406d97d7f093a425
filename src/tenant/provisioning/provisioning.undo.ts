import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { Placements } from '../places/placements.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';

/** Takes back what a failed provisioning made. Nobody was ever served under its slug, so that is free again. */
@Injectable()
export class ProvisioningUndo {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly erasure: TenantErasure,
    private readonly placements: Placements,
    private readonly lifecycle: TenantLifecycle,
  ) {}

  /** May be repeated until it comes to its end. */
  async run(tenantId: string): Promise<void> {
    await this.erasure.erase(tenantId);
    await this.placements.drop(tenantId);
    await this.platform.transaction(async (manager) => {
      await this.lifecycle.applyWithin(manager, tenantId, 'roll-back');
      await manager.query('DELETE FROM slugs WHERE tenant_id = $1', [tenantId]);
      await manager.query('DELETE FROM tenants WHERE id = $1', [tenantId]);
    });
  }
}
