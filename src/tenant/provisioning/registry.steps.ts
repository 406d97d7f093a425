import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { copiedSettings } from '../../settings/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { DataCopier } from '../copies/data.copier.js';
import { Placements } from '../places/placements.js';
import { TenantStore } from '../tenant.store.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { ProvisioningFence } from './provisioning.fence.js';
import { ProvisioningMarks } from './provisioning.marks.js';
import { ProvisioningFailure, type StepRun } from './provisioning.step.js';
import { LONG_STEP_MS, ProvisioningSteps } from './provisioning.steps.js';
import { TenantSeeds } from './tenant.seeds.js';

/** The steps that are the registry's own: name, place, settings and first data. */
@Injectable()
export class RegistrySteps implements OnModuleInit {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly steps: ProvisioningSteps,
    private readonly store: TenantStore,
    private readonly fence: ProvisioningFence,
    private readonly marks: ProvisioningMarks,
    private readonly seeds: TenantSeeds,
    private readonly copier: DataCopier,
    private readonly erasure: TenantErasure,
    private readonly placements: Placements,
    private readonly audit: TenantAudit,
  ) {}

  onModuleInit(): void {
    this.steps.register('reserve-slug', (run) => this.reserveSlug(run));
    this.steps.register('placement', (run) => this.place(run), LONG_STEP_MS);
    this.steps.register('migrate', (run) => this.migrate(run), LONG_STEP_MS);
    this.steps.register('default-settings', (run) => this.settle(run));
    this.steps.register('default-data', (run) => this.fill(run), LONG_STEP_MS);
  }

  /** The slug was taken with the request; here it is made sure that it still is. */
  private async reserveSlug({ tenant }: StepRun): Promise<void> {
    const held = await this.platform.query<unknown[]>('SELECT 1 FROM slugs WHERE slug = $1 AND tenant_id = $2', [
      tenant.slug,
      tenant.id,
    ]);
    if (held.length === 0) throw new ProvisioningFailure('the slug is not reserved for this tenant', true);
  }

  private place({ tenant, lease }: StepRun): Promise<void> {
    return this.fence.during(lease, () => this.placements.build(tenant.id));
  }

  /** Shared tables were migrated at start; that this tenant's can be read is what matters. A reset empties them first. */
  private async migrate({ tenant, request, lease }: StepRun): Promise<void> {
    await this.fence.during(lease, async () => {
      await this.placements.migrate(tenant.id);
      if (request.copy?.reset) await this.erasure.erase(tenant.id, { stays: true });
    });
    await this.marks.read(tenant);
  }

  private async settle(run: StepRun): Promise<void> {
    const { copy, settings } = run.request;
    if (!copy) {
      await this.write(run, (manager) =>
        manager.query('UPDATE tenants SET settings = $2::jsonb || settings WHERE id = $1', [
          run.tenant.id,
          JSON.stringify(settings),
        ]),
      );
      return;
    }
    const source = await this.copier.source(copy.sourceId);
    await this.write(run, (manager) =>
      manager.query('UPDATE tenants SET settings = $2 WHERE id = $1', [
        run.tenant.id,
        JSON.stringify({ ...copiedSettings(source.settings), ...settings }),
      ]),
    );
  }

  private async fill(run: StepRun): Promise<void> {
    const { tenant, request } = run;
    const { copy } = request;
    if (copy?.withData) await this.copier.copy(copy.sourceId, run);
    await this.marks.once(run, 'default-data', async () => {
      // What the seeds would plant came with the data.
      if (!copy?.withData) await this.seeds.plant();
      const { id, slug, name, plan } = tenant;
      await this.audit.record({ event: 'tenant.created', target: { kind: 'tenant', id }, after: { slug, name, plan } });
    });
  }

  /** To the registry, while the lease holds. */
  private write({ tenant, lease }: StepRun, work: (manager: EntityManager) => Promise<unknown>): Promise<void> {
    return this.platform.transaction(async (manager) => {
      await this.store.lock(manager, tenant.id);
      await this.fence.hold(manager, lease);
      await work(manager);
    });
  }
}
