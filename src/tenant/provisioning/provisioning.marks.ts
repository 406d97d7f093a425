import { Inject, Injectable } from '@nestjs/common';
import { newId, seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import {
  InjectTenantRepository,
  type Tenant,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { ProvisioningMark } from './provisioning-mark.entity.js';
import { ProvisioningFence } from './provisioning.fence.js';
import type { StepName, StepRun } from './provisioning.step.js';

/** Whose step it is, and under which lease. */
type Run = Pick<StepRun, 'tenant' | 'lease'>;

/**
 * Runs the part of a step that writes a tenant's data: once, in one transaction with the mark that says so, and only while
 * the lease of the step holds.
 */
@Injectable()
export class ProvisioningMarks {
  constructor(
    @InjectTenantRepository(ProvisioningMark) private readonly marks: TenantRepository<ProvisioningMark>,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly fence: ProvisioningFence,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /**
   * @param fn its result is kept, sealed, for later steps; left out when undefined
   * @throws LeaseLost
   */
  once({ tenant, lease }: Run, step: StepName, fn: () => Promise<string | undefined | void>): Promise<void> {
    return this.runner.run(tenant, () =>
      this.transaction.run(async () => {
        await this.fence.enter(lease);
        // Before the rest: whoever runs the same step at the same time waits here for the outcome.
        const rows = await this.transaction.query<{ id: string }>(
          `INSERT INTO provisioning_marks (tenant_id, id, step, created_at)
           VALUES (current_setting('app.tenant_id')::uuid, $1, $2, now())
           ON CONFLICT (tenant_id, step) DO NOTHING RETURNING id`,
          [newId(), step],
        );
        if (rows.length === 0) return;
        const note = await fn();
        if (note) await this.marks.update({ step }, { note: seal(this.key(), note, this.about(step)) });
      }),
    );
  }

  /** What the step left, inside the tenant's scope. */
  async noteOf(step: string): Promise<string | undefined> {
    const mark = await this.marks.findOneBy({ step });
    return mark?.note ? unseal(this.key(), mark.note, this.about(step)).toString('utf8') : undefined;
  }

  /** How far a page-wise step is; undefined before its first page. */
  bookmark(tenant: Tenant, name: string): Promise<string | undefined> {
    return this.runner.run(tenant, () => this.noteOf(name));
  }

  /**
   * Commits a page and the bookmark after it together.
   *
   * @param from the bookmark before which the page was read; when it is another by now, nothing happens
   * @throws LeaseLost
   */
  advance(
    { tenant, lease }: Run,
    name: string,
    from: string | undefined,
    to: string,
    fn: () => Promise<void>,
  ): Promise<void> {
    return this.runner.run(tenant, () =>
      this.transaction.run(async () => {
        await this.fence.enter(lease);
        // The update locks the row: of two writers of one page the second waits here, and then sees that it came late.
        await this.transaction.query(
          `INSERT INTO provisioning_marks AS m (tenant_id, id, step, created_at)
           VALUES (current_setting('app.tenant_id')::uuid, $1, $2, now())
           ON CONFLICT (tenant_id, step) DO UPDATE SET created_at = m.created_at`,
          [newId(), name],
        );
        if ((await this.noteOf(name)) !== from) return;
        await fn();
        await this.marks.update({ step: name }, { note: seal(this.key(), to, this.about(name)) });
      }),
    );
  }

  /** The steps whose effects the tenant's data has. */
  read(tenant: Tenant): Promise<ProvisioningMark[]> {
    return this.runner.run(tenant, () => this.marks.find({ order: { id: 'ASC' } }));
  }

  /** Erases what the steps left; nothing needs it once the tenant is ready. @throws LeaseLost */
  async forget({ tenant, lease }: Run): Promise<void> {
    await this.runner.run(tenant, () =>
      this.transaction.run(async () => {
        await this.fence.enter(lease);
        await this.marks.update({}, { note: null });
      }),
    );
  }

  private about(step: string): string {
    return `${this.context.currentOrThrow('A provisioning mark').id}:${step}`;
  }

  private key(): Buffer {
    return this.database.keys.derive('provisioning');
  }
}
