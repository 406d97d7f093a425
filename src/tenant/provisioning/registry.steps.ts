import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { copiedSettings } from '../../settings/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { DataCopier } from '../copies/data.copier.js';
import { Placements } from '../places/placements.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { ProvisioningMarks } from './provisioning.marks.js';
import { ProvisioningFailure, type StepRun } from './provisioning.step.js';
import { ProvisioningSteps } from './provisioning.steps.js';
import { TenantSeeds } from './tenant.seeds.js';

/** The steps that are the registry's own: name, place, settings and first data. */
@Injectable()
export class RegistrySteps implements OnModuleInit {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly steps: ProvisioningSteps,
    private readonly marks: ProvisioningMarks,
    private readonly seeds: TenantSeeds,
    private readonly copier: DataCopier,
    private readonly erasure: TenantErasure,
    private readonly placements: Placements,
    private readonly audit: TenantAudit,
  ) {}

  onModuleInit(): void {
    this.steps.register('reserve-slug', (run) => this.reserveSlug(run));
    this.steps.register('placement', ({ tenant }) => this.placements.build(tenant.id));
    this.steps.register('migrate', (run) => this.migrate(run));
    this.steps.register('default-settings', (run) => this.settle(run));
    this.steps.register('default-data', async ({ tenant, request: { copy }, signal }) => {
      if (copy?.withData) await this.copier.copy(copy.sourceId, tenant, signal);
      await this.marks.once(tenant, 'default-data', async () => {
        // What the seeds would plant came with the data.
        if (!copy?.withData) await this.seeds.plant();
        const { id, slug, name, plan } = tenant;
        await this.audit.record({
          event: 'tenant.created',
          target: { kind: 'tenant', id },
          after: { slug, name, plan },
        });
      });
    });
  }

  /** The slug was taken with the request; here it is made sure that it still is. */
  private async reserveSlug({ tenant }: StepRun): Promise<void> {
    const held = await this.platform.query<unknown[]>('SELECT 1 FROM slugs WHERE slug = $1 AND tenant_id = $2', [
      tenant.slug,
      tenant.id,
    ]);
    if (held.length === 0) throw new ProvisioningFailure('the slug is not reserved for this tenant', true);
  }

  /** Shared tables were migrated at start; that this tenant's can be read is what matters. A reset empties them first. */
  private async migrate({ tenant, request }: StepRun): Promise<void> {
    await this.placements.migrate(tenant.id);
    if (request.copy?.reset) await this.erasure.erase(tenant.id);
    await this.marks.read(tenant);
  }

  private async settle({ tenant, request: { copy, ...request } }: StepRun): Promise<void> {
    if (copy) {
      const { settings } = await this.copier.source(copy.sourceId);
      await this.platform.query('UPDATE tenants SET settings = $2 WHERE id = $1', [
        tenant.id,
        JSON.stringify({ ...copiedSettings(settings), ...request.settings }),
      ]);
      return;
    }
    await this.platform.query('UPDATE tenants SET settings = $2::jsonb || settings WHERE id = $1', [
      tenant.id,
      JSON.stringify(request.settings),
    ]);
  }
}
