import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { AppError } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import {
  InjectPlatformDataSource,
  placeOf,
  serverOf,
  TenantDataSource,
  TenantDirectory,
  TenantRunner,
} from '../../tenancy/index.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import { TenantBackups } from '../backups/tenant.backups.js';
import { HistoryJobs } from '../history/history.jobs.js';
import { HistoryStore } from '../history/history.store.js';
import { isTimeout, leaveSource, PauseFailed } from '../moves/move.pause.js';
import type { MovePlace } from '../moves/move.place.js';
import { MovePlaces } from '../moves/move.places.js';
import { MoveStore } from '../moves/move.store.js';
import { MOVABLE, OUTBOX_CHANNEL, ROW_GUARD, whereaboutsOf } from '../moves/move.switch.js';
import { forgetChanges } from '../moves/row.statements.js';
import { TenantMoves } from '../moves/tenant.moves.js';
import { TenantChanges } from '../tenant.changes.js';
import type { TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';
import type { HeldRestore, Restore } from './restore.js';
import { type Carrying, copyStaying, dropGone, followStaying } from './restore.carrier.js';
import { RestoreFailure } from './restore.errors.js';
import { RestoreLoader } from './restore.loader.js';
import { RestoreStore } from './restore.store.js';
import { type RestoredTables, restoredTables } from './restored.tables.js';

/** How often the tenant is paused in vain before the swap is given up, and how long until the next time, in ms. */
const MAX_PAUSES = 12;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
/** How long until a move back is ordered again, in hours. */
const AGAIN_HOURS = 1;
/** Between two looks at a backup that another process makes, in ms. */
const LOOK_MS = 500;

type Swap = Carrying & { restore: HeldRestore };

/** Puts a restored place where the present one is: what stays of that is brought along, and the tenant waits for a moment. */
@Injectable()
export class RestoreSwap {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: RestoreStore,
    private readonly loader: RestoreLoader,
    private readonly backups: TenantBackups,
    private readonly places: MovePlaces,
    private readonly moveStore: MoveStore,
    private readonly moves: TenantMoves,
    private readonly histories: HistoryStore,
    private readonly historyJobs: HistoryJobs,
    private readonly rules: ArchiveRules,
    private readonly registry: TenantStore,
    private readonly changes: TenantChanges,
    private readonly tenants: TenantDataSource,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  /**
   * Goes on from where a worker before left it: once the source is closed, forward.
   *
   * @param signal aborted when the process stops
   * @throws RestoreFailure, RestoreLost and whatever servers say
   */
  async run(restore: HeldRestore, check: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const source = await this.places.open(restore.tenantId, restore.source);
    try {
      if (!(await source.isClosed())) {
        await check();
        await this.backUp(restore, check, signal);
        await this.places.build(restore.tenantId, restore.source);
        await this.places.build(restore.tenantId, restore.target);
        await this.exchange(restore, source, check);
      }
      await this.finish(restore, source);
    } finally {
      await source.end();
    }
  }

  /**
   * The tenant stays where it is, and the restore is as ready as it was.
   *
   * @returns false when it has left that place already
   */
  async takeBack(restore: HeldRestore, error: string): Promise<boolean> {
    const source = await this.places.open(restore.tenantId, restore.source);
    try {
      if (await source.isClosed()) return false;
      await this.endCapture(restore, source);
      await this.store.notSwapped(restore, error);
      return true;
    } finally {
      await source.end();
    }
  }

  /** So that the restore can be taken back by restoring that. */
  private async backUp(restore: HeldRestore, check: () => Promise<void>, signal: AbortSignal): Promise<void> {
    if (restore.undoBackupId !== null) return;
    for (;;) {
      const { id } = await this.backups.begin(restore.tenantId);
      const made = await this.backups.make(id, { signal, resumable: true });
      if (made?.state === 'failed') throw new RestoreFailure(`the backup before it failed: ${made.error}`);
      // One that was under way before may be of an earlier moment than whoever asked had in mind.
      if (made?.state === 'done' && made.createdAt >= restore.swapRequestedAt!) return this.store.backedUp(restore, id);
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      await check();
    }
  }

  private async exchange(restore: HeldRestore, source: MovePlace, check: () => Promise<void>): Promise<void> {
    const { tenantId } = restore;
    await this.store.beginStep(restore, 'carry');
    const target = await this.places.open(tenantId, restore.target);
    const reader = await this.places.connect(restore.source);
    const swap: Swap = { restore, source, target, reader, check };
    try {
      if (!(await target.isClosed())) throw new RestoreFailure('the restored place is open', true);
      await this.places.startCapture(tenantId, restore.source);
      const tables = await this.tablesOf(swap);
      await copyStaying(swap, tables.staying, this.rules);
      await this.store.beginStep(restore, 'switch');
      for (let pauses = 1; ; pauses += 1) {
        await followStaying(swap, tables.staying);
        try {
          return await this.attempt(swap, tables);
        } catch (error) {
          if (!(error instanceof PauseFailed)) throw error;
          if (pauses === MAX_PAUSES) throw new RestoreFailure(error.reason, true);
          await sleep(Math.min(FIRST_WAIT_MS * 1.6 ** pauses, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2));
          await check();
        }
      }
    } finally {
      await Promise.all([target.end(), reader.end().catch(() => undefined)]);
    }
  }

  private async tablesOf({ source, target }: Pick<Swap, 'source' | 'target'>): Promise<RestoredTables> {
    return restoredTables(source, target, this.rules);
  }

  /** @throws PauseFailed; RestoreLost */
  private async attempt(swap: Swap, { staying, credentials }: RestoredTables): Promise<void> {
    const { restore, source, target } = swap;
    let paused = 0;
    await this.platform.transaction(async (manager) => {
      // Locked before the pause: whoever changes the tenant does so before it or after it.
      const { tenant, held } = await this.lock(manager, restore);
      const present = async () => (await this.tablesOf(swap)).staying;
      const left = await leaveSource({ source, target, tables: staying }, present, async () => {
        for (const { name } of credentials) await dropGone(swap, name);
      });
      paused = left.began;
      await this.arriveWithin(manager, held, tenant, target);
    });
    const ms = performance.now() - paused;
    this.tenants.connections.forget(restore.source);
    await this.store.notePause(restore, ms);
  }

  private async lock(
    manager: EntityManager,
    restore: HeldRestore,
  ): Promise<{ tenant: TenantRecord; held: HeldRestore }> {
    await manager.query(ROW_GUARD);
    try {
      const tenant = await this.registry.lock(manager, restore.tenantId);
      const held = await this.store.lock(manager, restore);
      if (!MOVABLE.includes(tenant.status)) throw new RestoreFailure(`the tenant is ${tenant.status}`, true);
      return { tenant, held };
    } catch (error) {
      throw isTimeout(error) ? new PauseFailed('the registry is held', { cause: error }) : error;
    }
  }

  private async arriveWithin(
    manager: EntityManager,
    restore: HeldRestore,
    tenant: TenantRecord,
    target: MovePlace,
  ): Promise<void> {
    await target.open();
    const { id, source, target: placement, backupId, undoBackupId } = restore;
    await manager.query('UPDATE tenants SET placement = $2, updated_at = now() WHERE id = $1', [
      tenant.id,
      JSON.stringify(placement),
    ]);
    await this.places.settle(manager, tenant.id, source, placement);
    await this.moveStore.keep(manager, tenant.id, source, placement, this.env.moveKeepHours);
    await this.histories.beginAnew(manager, tenant.id);
    await this.store.swapped(manager, restore);
    await this.changes.record(manager, tenant, {
      event: 'tenant.restored_from_backup',
      before: whereaboutsOf(source),
      after: whereaboutsOf(placement),
      details: { restore: id, backup: backupId, undo_backup: undoBackupId },
    });
    await manager.query('SELECT pg_notify($1, $2)', [OUTBOX_CHANNEL, tenant.id]);
  }

  /** What is left to do when the source has been left. May be repeated. */
  private async finish(held: HeldRestore, source: MovePlace): Promise<void> {
    const restore = await this.store.reload(held);
    if (restore.swappedAt === null) await this.arrive(restore);
    await this.endCapture(restore, source);
    await this.places.endHistory(restore.tenantId, restore.source);
    const tenant = await this.directory.findById(restore.tenantId);
    if (tenant) {
      await this.runner.run(tenant, async () => {
        await this.loader.bringFiles(restore.backupId, restore.tenantId);
        for (const act of this.rules.imported) await act(tenant);
      });
    }
    await this.platform.transaction(async (manager) => {
      await this.registry.lock(manager, restore.tenantId);
      await this.store.end(manager, restore, 'done', null);
      if (restore.source.kind !== restore.target.kind) {
        await this.store.movesBackIn(manager, restore, this.env.moveKeepHours);
      }
    });
    await this.historyJobs.resume(restore.tenantId);
  }

  private async arrive(restore: HeldRestore): Promise<void> {
    const target = await this.places.open(restore.tenantId, restore.target);
    try {
      await this.platform.transaction(async (manager) => {
        const tenant = await this.registry.lock(manager, restore.tenantId);
        await this.arriveWithin(manager, await this.store.lock(manager, restore), tenant, target);
      });
      this.tenants.connections.forget(restore.source);
    } finally {
      await target.end();
    }
  }

  /**
   * Orders one move back to the isolation that a tenant had before its restore, if one is due.
   *
   * @returns whether there may be more
   */
  async moveBackDue(): Promise<boolean> {
    return this.platform.transaction(async (manager) => {
      const restore = await this.store.takeMoveBack(manager);
      if (restore) await this.moveBack(manager, restore);
      return restore !== undefined;
    });
  }

  private async moveBack(manager: EntityManager, restore: Restore): Promise<void> {
    const { tenantId, source, target } = restore;
    const { placement } = await this.registry.lock(manager, tenantId);
    // Somebody has moved it meanwhile.
    if (placeOf(placement) !== placeOf(target)) return;
    try {
      const wishes = { isolation: source.kind, server: serverOf(source) };
      const { id } = await this.moves.beginWithin(manager, tenantId, wishes);
      await this.store.movesBack(manager, restore, id, null);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      await this.store.movesBack(manager, restore, null, `not moved back: ${error.code}`);
      // As while it is restored once more.
      if (error.status === 409) await this.store.movesBackIn(manager, restore, AGAIN_HOURS);
    }
  }

  private async endCapture({ tenantId, source: placement }: HeldRestore, source: MovePlace): Promise<void> {
    await this.places.stopCapture(tenantId, placement);
    await source.client.query(forgetChanges(source.table('changes')), [tenantId]);
  }
}
