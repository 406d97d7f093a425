import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { isUuid, type Page } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { hasOwnLogin, InjectPlatformDataSource, PlatformCursors, serverOf } from '../../tenancy/index.js';
import { checkArchiveVersion } from '../archive/archive.version.js';
import { UnknownBackup } from '../backups/backup.errors.js';
import { TenantBackups } from '../backups/tenant.backups.js';
import { HistoryReplay } from '../history/history.replay.js';
import { MoveRunning } from '../moves/move.errors.js';
import { MovePlaces } from '../moves/move.places.js';
import { MoveStore } from '../moves/move.store.js';
import { MOVABLE, whereaboutsOf } from '../moves/move.switch.js';
import { Placements } from '../places/placements.js';
import { ProvisioningStore } from '../provisioning/provisioning.store.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { Restore } from './restore.js';
import { NotRestorable, RestoreNotFound, RestoreNotReady, RestoreOpen, SwapNotConfirmed } from './restore.errors.js';
import { RESTORES_CHANNEL, RestoreStore } from './restore.store.js';

/** What cursors are sealed with. */
const LIST = 'restores';
/** How long an erasure waits for a restore to be taken back, in ms. */
const END_MS = 60_000;

/** What to restore: a backup as it is, or what there was at a moment. */
export type RestoreWish = { backupId: string } | { until: Date };

/** Has tenants restored. The work itself is the RestoreWorker's, so asking for it takes one short transaction. */
@Injectable()
export class TenantRestores {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly store: RestoreStore,
    private readonly backups: TenantBackups,
    private readonly replay: HistoryReplay,
    private readonly registry: TenantStore,
    private readonly provisionings: ProvisioningStore,
    private readonly moves: MoveStore,
    private readonly placements: Placements,
    private readonly places: MovePlaces,
    private readonly changes: TenantChanges,
    private readonly feed: ChangeFeed,
    private readonly cursors: PlatformCursors,
  ) {}

  /**
   * Has what is in a backup, or what there was at a moment, brought to a place beside the tenant's present one, and compared
   * with that.
   *
   * @param name slug or UUID
   * @throws BackupsOff, UnknownTenant, UnknownBackup, ArchiveVersionRefused, NotRestorable, RestoreOpen, MoveRunning; UnknownServer;
   *   HistoryNotKept, HistoryTooShort, MomentAhead
   */
  async begin(name: string, wish: RestoreWish): Promise<Restore> {
    const restore = await this.platform.transaction((manager) => this.beginWithin(manager, name, wish));
    this.feed.emit(RESTORES_CHANNEL, undefined);
    return restore;
  }

  /** The same inside the caller's transaction on the control plane. */
  async beginWithin(manager: EntityManager, name: string, wish: RestoreWish): Promise<Restore> {
    this.backups.demandStorage();
    const { id } = await this.registry.find(name, manager);
    const until = 'until' in wish ? wish.until : null;
    const backup = 'until' in wish ? await this.replay.baseFor(id, wish.until) : await this.backups.find(wish.backupId);
    if (backup.tenantId !== id) throw new UnknownBackup();
    checkArchiveVersion(this.database.migrations, { migration: backup.migration ?? '' });
    const tenant = await this.registry.lock(manager, id);
    const { status, plan, placement: source } = tenant;
    if (!MOVABLE.includes(status)) throw new NotRestorable(status);
    if (await this.store.open(id, manager)) throw new RestoreOpen();
    if (await this.moves.running(id, manager)) throw new MoveRunning();
    const provisioning = await this.provisionings.outcomeOf(manager, id);
    if (provisioning === 'running' || provisioning === 'undoing') throw new NotRestorable(status, 'being reset');
    // Who has a database of their own is in no other one, not even on the way. In shared tables the present rows have the
    // keys that those of the backup need.
    const isolation = source.kind === 'database' ? 'database' : 'schema';
    const login = source.kind === 'schema' && hasOwnLogin(source);
    const wishes = { plan, isolation, server: serverOf(source), login } as const;
    const target = await this.placements.allocate(manager, id, wishes);
    await this.places.reserve(manager, target);
    const restore = await this.store.plan(manager, id, { backupId: backup.id, until }, source, target);
    await this.changes.record(manager, tenant, {
      event: 'tenant.restore_started',
      details: {
        restore: restore.id,
        backup: backup.id,
        ...(until && { until: until.toISOString() }),
        ...whereaboutsOf(target),
      },
    });
    return restore;
  }

  /** Newest first. @throws UnknownTenant, CursorInvalid */
  async list(name: string, limit: number, cursor?: string): Promise<Page<Restore>> {
    const { id } = await this.registry.find(name);
    const rows = await this.store.list(id, limit + 1, this.cursors.open(LIST, cursor, id));
    return this.cursors.page(LIST, rows, limit, (restore) => restore.id, id);
  }

  /** @throws UnknownTenant, RestoreNotFound */
  async find(name: string, id: string, manager?: EntityManager): Promise<Restore> {
    const tenant = await this.registry.find(name, manager);
    const restore = isUuid(id) ? await this.store.find(tenant.id, id, manager) : undefined;
    if (!restore) throw new RestoreNotFound();
    return restore;
  }

  /**
   * Has the tenant served from what was restored, as soon as its present state is backed up.
   *
   * @param confirm the slug of the tenant
   * @throws UnknownTenant, RestoreNotFound, SwapNotConfirmed, RestoreNotReady, NotRestorable
   */
  async swap(name: string, id: string, confirm: string): Promise<Restore> {
    const { tenantId } = await this.find(name, id);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, tenantId);
      if (confirm !== tenant.slug) throw new SwapNotConfirmed();
      if (!MOVABLE.includes(tenant.status)) throw new NotRestorable(tenant.status);
      if (!(await this.store.requestSwap(manager, id))) {
        throw new RestoreNotReady((await this.find(tenantId, id, manager)).state);
      }
      await this.changes.record(manager, tenant, { event: 'tenant.restore_swap_requested', details: { restore: id } });
    });
    this.feed.emit(RESTORES_CHANNEL, undefined);
    return this.find(tenantId, id);
  }

  /**
   * Has what was restored dropped; the tenant knows nothing of it.
   *
   * @throws UnknownTenant, RestoreNotFound; RestoreNotReady when it is being swapped in, or over
   */
  async discard(name: string, id: string): Promise<Restore> {
    const { tenantId } = await this.find(name, id);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, tenantId);
      const { state } = await this.find(tenantId, id, manager);
      if (state === 'undoing') return;
      if (!(await this.store.requestEnd(manager, id))) throw new RestoreNotReady(state);
      await this.changes.record(manager, tenant, {
        event: 'tenant.restore_discard_requested',
        details: { restore: id },
      });
    });
    this.feed.emit(RESTORES_CHANNEL, undefined);
    return this.find(tenantId, id);
  }

  /**
   * For who is about to erase the tenant: takes a restore back, or lets a swap that cannot be taken back come to its end.
   *
   * @throws Error when that takes too long
   */
  async end(tenantId: string): Promise<void> {
    const deadline = performance.now() + END_MS;
    for (;;) {
      const open = await this.store.open(tenantId);
      if (!open) return;
      if (performance.now() > deadline) throw new Error('The restore of the tenant has not ended.');
      if (open.state === 'running' || open.state === 'ready') {
        await this.platform.transaction((manager) => this.store.requestEnd(manager, open.id));
        this.feed.emit(RESTORES_CHANNEL, undefined);
      }
      await sleep(100);
    }
  }
}
