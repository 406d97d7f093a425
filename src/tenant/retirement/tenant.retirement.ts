import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { type JobRun, PlatformCron } from '../../jobs/index.js';
import { InjectPlatformDataSource, TenantRunner } from '../../tenancy/index.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { TenantPurge } from '../lifecycle/tenant.purge.js';
import { TenantProvisioning } from '../provisioning/tenant.provisioning.js';
import { TenantStore } from '../tenant.store.js';
import { OwnerNotices } from './owner.notices.js';
import { type Act, ACTS } from './retirement.rules.js';
import { RetirementStore } from './retirement.store.js';

/** In one run at most, of each act and of each notice; what is left over is the next run's. */
const MOST = 500;

export const TRIAL_ENDED = 'The trial ended.';

/** What a run did. */
export type RetirementReport = Record<Act | 'notices', number>;

/**
 * Lets tenants end by themselves: trials are suspended and copies archived on their date; what is suspended for long is
 * archived, and what is archived for long deleted, as the plan says and after the owners were told; what could not be made
 * is taken back. Several processes may do it at once: each tenant is looked at again under its lock before anything is done.
 */
@Injectable()
export class TenantRetirement implements OnModuleInit {
  private readonly logger = new Logger('Retirement');

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: RetirementStore,
    private readonly tenants: TenantStore,
    private readonly lifecycle: TenantLifecycle,
    private readonly provisioning: TenantProvisioning,
    private readonly notices: OwnerNotices,
    private readonly purge: TenantPurge,
    private readonly erasure: TenantErasure,
    private readonly runner: TenantRunner,
  ) {}

  onModuleInit(): void {
    this.erasure.register((manager, tenantId) => this.store.forget(manager, tenantId));
  }

  @PlatformCron('tenants.retire', '11 * * * *', { timeoutSeconds: 3000 })
  async hourly({ signal }: JobRun): Promise<void> {
    this.logger.log(await this.runDue(signal), 'Applied the rules of the plans');
  }

  /** Does what is due now. Ended early by `signal` or a crash, it leaves the rest to the next run. */
  runDue(signal: AbortSignal = new AbortController().signal): Promise<RetirementReport> {
    return this.runner.runAsPlatform('retirement', async () => {
      const report: RetirementReport = { suspend: 0, archive: 0, schedule: 0, purge: 0, 'roll-back': 0, notices: 0 };
      for (const act of ACTS) if (!signal.aborted) await this.store.plan(act, MOST);
      for (const act of ['suspend', 'archive', 'schedule', 'roll-back'] as const) {
        report[act] = await this.takeAll(act, signal);
      }
      if (!signal.aborted) await this.store.dropStale();
      report.notices = await this.notices.send(signal);
      report.purge = await this.purge.runDue(signal);
      return report;
    });
  }

  /** One failure does not keep the others waiting. */
  private async takeAll(act: Exclude<Act, 'purge'>, signal: AbortSignal): Promise<number> {
    let done = 0;
    for (const id of signal.aborted ? [] : await this.store.due(act, MOST)) {
      if (signal.aborted) break;
      try {
        if (await this.platform.transaction((manager) => this.take(manager, act, id))) done += 1;
      } catch (error) {
        this.logger.error({ err: error, tenant_id: id, act }, 'A rule could not be applied; it will be tried again');
      }
    }
    return done;
  }

  /** @returns whether the act was still due */
  private async take(manager: EntityManager, act: Exclude<Act, 'purge'>, id: string): Promise<boolean> {
    await this.tenants.lock(manager, id);
    const since = await this.store.stillDue(manager, act, id);
    if (since === undefined) return false;
    const details = { rule: act, due_on: since };
    switch (act) {
      case 'suspend':
        await this.lifecycle.applyWithin(manager, id, 'suspend', { reason: TRIAL_ENDED, details });
        await this.store.addSuspended(manager, id, since);
        break;
      case 'archive':
        await this.lifecycle.applyWithin(manager, id, 'archive', { details });
        break;
      case 'schedule':
        await this.lifecycle.scheduleDeletionWithin(manager, id, 'The rules of its plan');
        break;
      case 'roll-back':
        await this.provisioning.rollBackWithin(manager, id, details);
    }
    return true;
  }
}
