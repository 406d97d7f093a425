import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { isResetting } from '../provisioning/provisioning.step.js';
import { ProvisioningStore } from '../provisioning/provisioning.store.js';
import { TenantChanges } from '../tenant.changes.js';
import { ConfirmationMismatch, ResetUnfinished, TransitionRefused } from '../tenant.errors.js';
import type { TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';
import { type TransitionName, TRANSITIONS } from './transitions.js';

export interface TransitionOptions {
  /** Why. Of a suspension everybody who meets the tenant reads it. */
  reason?: string;
  details?: unknown;
}

/** Takes tenants from one status to another. Every process hears of it within a second. */
@Injectable()
export class TenantLifecycle {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: TenantStore,
    private readonly provisionings: ProvisioningStore,
    private readonly changes: TenantChanges,
  ) {}

  /**
   * @param name slug or UUID
   * @throws UnknownTenant; TransitionRefused, which says what is allowed; ResetUnfinished for `resume`
   */
  async apply(name: string, transition: TransitionName, options: TransitionOptions = {}): Promise<TenantRecord> {
    const { id } = await this.store.find(name);
    const tenant = await this.platform.transaction((manager) => this.applyWithin(manager, id, transition, options));
    this.changes.heard(tenant.slug);
    return tenant;
  }

  /** The same inside the caller's transaction on the control plane. */
  async applyWithin(
    manager: EntityManager,
    id: string,
    transition: TransitionName,
    { reason, details }: TransitionOptions = {},
  ): Promise<TenantRecord> {
    const { to, event } = TRANSITIONS[transition];
    const before = await this.store.lock(manager, id);
    if (transition === 'resume') await this.demandWhole(manager, before);
    // A reset suspends the tenant for its own sake. Who suspends it then has it stay so when the reset is done.
    const takesOver = transition === 'suspend' && reason !== undefined && isResetting(before);
    const from = takesOver ? [before.status] : TRANSITIONS[transition].from;
    const suspendedReason = to === 'suspended' ? (reason ?? before.suspended_reason) : null;
    const brings = transition === 'resume' || transition === 'restore';
    const after = await this.store.setStatus(manager, id, from, to, suspendedReason, brings);
    if (!after) throw new TransitionRefused(transition, before.status);
    await this.changes.record(manager, after, {
      event,
      before: { status: before.status },
      after: { status: after.status },
      ...(reason !== undefined && { reason }),
      ...(details !== undefined && { details }),
    });
    return after;
  }

  /**
   * Has an archived tenant erased once its grace period is over; restoring it until then calls it off.
   *
   * @param confirmation the slug, typed by the person who asks for it
   * @throws UnknownTenant, ConfirmationMismatch, TransitionRefused
   */
  async scheduleDeletion(name: string, confirmation: string | undefined): Promise<TenantRecord> {
    const { id } = await this.store.find(name);
    return this.platform.transaction(async (manager) => {
      const tenant = await this.store.lock(manager, id);
      if (tenant.status !== 'archived') throw new TransitionRefused('purge', tenant.status);
      if (confirmation !== tenant.slug) throw new ConfirmationMismatch();
      return tenant.purge_after ? tenant : this.scheduleDeletionWithin(manager, id);
    });
  }

  /** The same for an archived tenant that the caller's transaction holds, without asking back. */
  async scheduleDeletionWithin(manager: EntityManager, id: string, reason?: string): Promise<TenantRecord> {
    const scheduled = await this.store.schedulePurge(manager, id, this.env.tenantDeletionGraceDays);
    await this.changes.record(manager, scheduled, {
      event: 'tenant.deletion_scheduled',
      details: { purge_after: scheduled.purge_after },
      ...(reason !== undefined && { reason }),
    });
    return scheduled;
  }

  /** What a reset has not finished, or not been able to, is half a copy. */
  private async demandWhole(manager: EntityManager, { id, status }: TenantRecord): Promise<void> {
    const state = status === 'suspended' ? await this.provisionings.outcomeOf(manager, id) : undefined;
    if (state === 'running' || state === 'failed') throw new ResetUnfinished(state === 'failed');
  }
}
