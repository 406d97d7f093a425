import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { SANDBOX_RECIPIENTS } from '../../mail/index.js';
import { hasOwnLogin, InjectPlatformDataSource, type Isolation, serverOf } from '../../tenancy/index.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import type { TransitionName } from '../lifecycle/transitions.js';
import { MoveRunning } from '../moves/move.errors.js';
import { MoveStore } from '../moves/move.store.js';
import { Placements } from '../places/placements.js';
import type { Plan } from '../plans.js';
import { checkSettings } from '../settings/settings.rules.js';
import { RestoreOpen } from '../restores/restore.errors.js';
import { RestoreStore } from '../restores/restore.store.js';
import { SlugHolds } from '../slug.holds.js';
import { checkSlug } from '../slug.rules.js';
import { TenantChanges } from '../tenant.changes.js';
import { SlugTaken, TransitionRefused } from '../tenant.errors.js';
import type { TenantKind, TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';
import { isResetting, type ProvisioningRequest, RESET_REASON, type TenantOwner } from './provisioning.step.js';
import { type ProvisioningState, ProvisioningStore } from './provisioning.store.js';

export interface NewTenant {
  slug: string;
  name: string;
  plan: Plan;
  kind: TenantKind;
  owner?: TenantOwner;
  /** Flat, dotted keys. */
  settings?: Record<string, unknown>;
  /** When it ends by itself; undefined for kinds that do not. */
  expiresAt?: Date;
  copy?: NewCopy;
  /** Shared tables unless said otherwise. */
  isolation?: Isolation;
  /** Whether its schema is entered by a role of its own. */
  login?: boolean;
  /** By name; one of those that take such tenants when left out. */
  server?: string;
  region?: string;
}

export interface NewCopy {
  sourceId: string;
  withData: boolean;
  /** The tenant whose people look after it; undefined for one that a platform admin makes. */
  holderId?: string;
}

/** Every process has heard of a suspension by then, in ms, with room to spare. */
const RESET_DELAY_MS = 1500;

/** Has tenants made. The work itself is the Provisioner's, so asking for a tenant takes one short transaction. */
@Injectable()
export class TenantProvisioning {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: TenantStore,
    private readonly provisionings: ProvisioningStore,
    private readonly lifecycle: TenantLifecycle,
    private readonly holds: SlugHolds,
    private readonly placements: Placements,
    private readonly changes: TenantChanges,
    private readonly moves: MoveStore,
    private readonly restores: RestoreStore,
  ) {}

  /** @throws ValidationFailed for slug or settings; SlugTaken */
  create(tenant: NewTenant): Promise<TenantRecord> {
    return this.platform.transaction((manager) => this.createWithin(manager, tenant));
  }

  /**
   * The same inside the caller's transaction on the control plane.
   *
   * @param holder whom the slug may be held for
   */
  async createWithin(manager: EntityManager, tenant: NewTenant, holder?: string): Promise<TenantRecord> {
    checkSlug(tenant.slug);
    checkSettings(tenant.settings ?? {});
    await this.holds.claim(manager, tenant.slug, holder);
    const settings = settingsOf(tenant);
    const id = newId();
    const held = await manager.query<unknown[]>(
      'INSERT INTO slugs (slug, tenant_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING slug',
      [tenant.slug, id],
    );
    if (held.length === 0) throw new SlugTaken(tenant.slug);
    const placement = await this.placements.allocate(manager, id, tenant);
    await manager.query(
      `INSERT INTO tenants (id, slug, name, plan, kind, status, settings, expires_at, source_tenant_id, holder_tenant_id,
         with_data, placement) VALUES ($1, $2, $3, $4, $5, 'provisioning', $6, $7, $8, $9, $10, $11)`,
      [
        id,
        tenant.slug,
        tenant.name.trim(),
        tenant.plan,
        tenant.kind,
        JSON.stringify(settings),
        tenant.expiresAt ?? null,
        tenant.copy?.sourceId ?? null,
        tenant.copy?.holderId ?? null,
        tenant.copy?.withData ?? false,
        JSON.stringify(placement),
      ],
    );
    const { sourceId, withData } = tenant.copy ?? {};
    const request: ProvisioningRequest = {
      settings,
      ...(tenant.owner && { owner: tenant.owner }),
      ...(sourceId !== undefined && { copy: { sourceId, withData: withData === true } }),
    };
    await this.provisionings.begin(manager, id, request);
    const { slug, name, plan, kind } = tenant;
    await this.changes.record(
      manager,
      { id, slug },
      {
        event: 'tenant.created',
        after: {
          slug,
          name,
          plan,
          kind,
          isolation: placement.kind,
          login: hasOwnLogin(placement),
          server: serverOf(placement),
          settings,
        },
        ...(tenant.copy && { details: { source: sourceId, with_data: withData } }),
      },
    );
    return this.store.lock(manager, id);
  }

  /**
   * Brings a copy back to its start, inside the caller's transaction: out of service now, emptied and copied anew by the
   * Provisioner, and back in service.
   *
   * @param owner who is owner from then on
   * @throws TransitionRefused unless it is in service, or a reset before this one failed; MoveRunning, RestoreOpen
   */
  async resetWithin(manager: EntityManager, id: string, owner: TenantOwner): Promise<TenantRecord> {
    const tenant = await this.store.lock(manager, id);
    // One that an admin suspended stays so.
    const again = isResetting(tenant) && (await this.provisionings.outcomeOf(manager, id)) === 'failed';
    const copy = tenant.kind === 'sandbox' || tenant.kind === 'training';
    if (!copy || !tenant.source_tenant_id || !(again || tenant.status === 'active')) {
      throw new TransitionRefused('suspend', tenant.status);
    }
    await this.demandStill(manager, id);
    if (!again) await this.lifecycle.applyWithin(manager, id, 'suspend', { reason: RESET_REASON });
    await this.provisionings.restart(
      manager,
      id,
      {
        owner,
        settings: settingsOf({ kind: tenant.kind, owner }),
        copy: { sourceId: tenant.source_tenant_id, withData: tenant.with_data, reset: true },
      },
      RESET_DELAY_MS,
    );
    await this.changes.record(manager, tenant, { event: 'tenant.reset' });
    return this.store.lock(manager, id);
  }

  /** Neither moved nor restored: both look at rows that a reset removes. */
  private async demandStill(manager: EntityManager, id: string): Promise<void> {
    if (await this.moves.running(id, manager)) throw new MoveRunning();
    if (await this.restores.open(id, manager)) throw new RestoreOpen();
  }

  /** How far the tenant is; undefined for one that came from a file. */
  progress(tenantId: string): Promise<ProvisioningState | undefined> {
    return this.provisionings.stateOf(tenantId);
  }

  /** Goes on from the step that failed, also of a reset. @throws UnknownTenant, TransitionRefused */
  async retry(name: string): Promise<TenantRecord> {
    const { id } = await this.store.find(name);
    return this.platform.transaction(async (manager) => {
      const before = await this.store.lock(manager, id);
      if (before.status === 'suspended' && (await this.provisionings.outcomeOf(manager, id)) === 'failed') {
        await this.demandStill(manager, id);
        await this.provisionings.again(manager, id, 'running');
        await this.changes.record(manager, before, { event: 'tenant.retried', details: { reset: true } });
        return before;
      }
      await this.lockFailed(manager, id, 'retry');
      const tenant = await this.lifecycle.applyWithin(manager, id, 'retry');
      await this.provisionings.again(manager, id, 'running');
      return tenant;
    });
  }

  /** Begins to take back what was made; the tenant is gone when that is done. @throws UnknownTenant, TransitionRefused */
  async rollBack(name: string): Promise<TenantRecord> {
    const { id } = await this.store.find(name);
    return this.platform.transaction((manager) => this.rollBackWithin(manager, id));
  }

  /** The same inside the caller's transaction. @param details of why @throws TransitionRefused */
  async rollBackWithin(manager: EntityManager, id: string, details: object = {}): Promise<TenantRecord> {
    const tenant = await this.lockFailed(manager, id, 'roll-back');
    await this.changes.record(manager, tenant, {
      event: 'tenant.roll_back_requested',
      details: { slug: tenant.slug, ...details },
    });
    await this.provisionings.again(manager, id, 'undoing');
    return tenant;
  }

  /** What is being undone can neither be begun again nor undone twice. */
  private async lockFailed(manager: EntityManager, id: string, transition: TransitionName): Promise<TenantRecord> {
    const tenant = await this.store.lock(manager, id);
    const undoing = (await this.provisionings.outcomeOf(manager, id)) === 'undoing';
    if (tenant.status !== 'failed' || undoing) throw new TransitionRefused(transition, tenant.status);
    return tenant;
  }
}

/** Sandboxes and training tenants send mail to nobody but who they are made for. */
function settingsOf({ kind, owner, settings = {} }: Pick<NewTenant, 'kind' | 'owner' | 'settings'>) {
  const quiet = kind === 'sandbox' || kind === 'training';
  return quiet && owner ? { [SANDBOX_RECIPIENTS.key]: [owner.email.trim()], ...settings } : settings;
}
