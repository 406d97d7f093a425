import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
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
    private readonly audit: TenantAudit,
  ) {}

  onModuleInit(): void {
    this.steps.register('reserve-slug', (run) => this.reserveSlug(run));
    this.steps.register('placement', (run) => this.place(run));
    this.steps.register('migrate', (run) => this.migrate(run));
    this.steps.register('default-settings', (run) => this.settle(run));
    this.steps.register('default-data', ({ tenant }) =>
      this.marks.once(tenant, 'default-data', async () => {
        await this.seeds.plant();
        const { id, slug, name, plan } = tenant;
        await this.audit.record({
          event: 'tenant.created',
          target: { kind: 'tenant', id },
          after: { slug, name, plan },
        });
      }),
    );
  }

  /** The slug was taken with the request; here it is made sure that it still is. */
  private async reserveSlug({ tenant }: StepRun): Promise<void> {
    const held = await this.platform.query<unknown[]>('SELECT 1 FROM slugs WHERE slug = $1 AND tenant_id = $2', [
      tenant.slug,
      tenant.id,
    ]);
    if (held.length === 0) throw new ProvisioningFailure('the slug is not reserved for this tenant', true);
  }

  private async place({ tenant }: StepRun): Promise<void> {
    await this.platform.query(`UPDATE tenants SET placement = '{"kind":"shared"}' WHERE id = $1`, [tenant.id]);
  }

  /** Shared tables were migrated at start; that this tenant's can be read is what matters. */
  private async migrate({ tenant }: StepRun): Promise<void> {
    await this.marks.read(tenant);
  }

  private async settle({ tenant, request }: StepRun): Promise<void> {
    await this.platform.query('UPDATE tenants SET settings = $2::jsonb || settings WHERE id = $1', [
      tenant.id,
      JSON.stringify(request.settings),
    ]);
  }
}
