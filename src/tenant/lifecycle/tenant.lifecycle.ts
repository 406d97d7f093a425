import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { isResetting, RESET_REASON } from '../provisioning/provisioning.step.js';
import { ProvisioningStore } from '../provisioning/provisioning.store.js';
import { TenantChanges } from '../tenant.changes.js';
import { ConfirmationMismatch, HolderOutOfService, ResetUnfinished, TransitionRefused } from '../tenant.errors.js';
import type { TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';
import { HeldCopies, HOLDER_RESUMED, HOLDER_SUSPENDED } from './held.copies.js';
import { type TransitionName, TRANSITIONS } from './transitions.js';

export interface TransitionOptions {
  /** Why. Of a suspension everybody who meets the tenant reads it. */
  reason?: string;
  details?: unknown;
}

/** Takes tenants from one status to another, and their sandboxes with them. Every process hears of it within a second. */
@Injectable()
export class TenantLifecycle {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: TenantStore,
    private readonly provisionings: ProvisioningStore,
    private readonly copies: HeldCopies,
    private readonly changes: TenantChanges,
  ) {}

  /**
   * @param name slug or UUID
   * @throws UnknownTenant; TransitionRefused, which says what is allowed; ResetUnfinished and HolderOutOfService for `resume`
   */
  async apply(name: string, transition: TransitionName, options: TransitionOptions = {}): Promise<TenantRecord> {
    const { id } = await this.store.find(name);
    return this.platform.transaction((manager) => this.applyWithin(manager, id, transition, options));
  }

  /** The same inside the caller's transaction on the control plane. */
  async applyWithin(
    manager: EntityManager,
    id: string,
    transition: TransitionName,
    { reason, details }: TransitionOptions = {},
  ): Promise<TenantRecord> {
    const { to, event } = TRANSITIONS[transition];
    const begins = transition === 'activate' || transition === 'resume';
    const holder = begins ? await this.copies.lockHolderOf(manager, id) : undefined;
    const before = await this.store.lock(manager, id);
    if (transition === 'resume') await this.demandWhole(manager, before, holder);
    // What suspends for its own sake, and would end that itself, gives way to whoever suspends the tenant on purpose.
    const takesOver = transition === 'suspend' && reason !== undefined && endsByItself(before);
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
    await this.takeAlong(manager, after, transition);
    return holder && transition === 'activate' ? this.follow(manager, after, holder) : after;
  }

  /** The tenant as it is now, kept so until the transaction ends: for who goes on to `activate` or `resume` it. */
  async lock(manager: EntityManager, id: string): Promise<TenantRecord> {
    await this.copies.lockHolderOf(manager, id);
    return this.store.lock(manager, id);
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

  /** What a reset has not finished, or not been able to, is half a copy; and no copy is in service without its holder. */
  private async demandWhole(
    manager: EntityManager,
    { id, status }: TenantRecord,
    holder: TenantRecord | undefined,
  ): Promise<void> {
    if (status !== 'suspended') return;
    const state = await this.provisionings.outcomeOf(manager, id);
    if (state === 'running' || state === 'failed') throw new ResetUnfinished(state === 'failed');
    if (holder && holder.status !== 'active') throw new HolderOutOfService(holder.status);
  }

  /** The copies that the tenant holds end with it, and come back with it if nothing else has ended them. */
  private async takeAlong(manager: EntityManager, { id }: TenantRecord, transition: TransitionName): Promise<void> {
    if (transition !== 'suspend' && transition !== 'resume' && transition !== 'archive') return;
    const details = { holder: id };
    for (const copy of await this.copies.lockHeldBy(manager, id)) {
      if (transition === 'archive') await this.applyWithin(manager, copy.id, 'archive', { details });
      else if (transition === 'resume') await this.bringBack(manager, copy, details);
      else if (copy.status === 'active' || isResetting(copy)) {
        await this.applyWithin(manager, copy.id, 'suspend', { reason: HOLDER_SUSPENDED, details });
      }
    }
    if (transition === 'archive') await this.copies.expireUnmade(manager, id);
  }

  /** A reset that is not done brings the copy back itself, or is asked for again. */
  private async bringBack(manager: EntityManager, copy: TenantRecord, details: object): Promise<void> {
    if (copy.status !== 'suspended' || copy.suspended_reason !== HOLDER_SUSPENDED) return;
    const state = await this.provisionings.outcomeOf(manager, copy.id);
    const half = state === 'running' || state === 'failed';
    if (half) await this.applyWithin(manager, copy.id, 'suspend', { reason: RESET_REASON, details });
    else await this.applyWithin(manager, copy.id, 'resume', { reason: HOLDER_RESUMED, details });
  }

  /** A copy whose holder went out of service while it was made is what it would be, had it been there by then. */
  private follow(
    manager: EntityManager,
    copy: TenantRecord,
    holder: TenantRecord,
  ): TenantRecord | Promise<TenantRecord> {
    if (holder.status === 'active') return copy;
    const details = { holder: holder.id };
    if (holder.status !== 'suspended') return this.applyWithin(manager, copy.id, 'archive', { details });
    return this.applyWithin(manager, copy.id, 'suspend', { reason: HOLDER_SUSPENDED, details });
  }
}

function endsByItself(tenant: TenantRecord): boolean {
  return isResetting(tenant) || (tenant.status === 'suspended' && tenant.suspended_reason === HOLDER_SUSPENDED);
}
