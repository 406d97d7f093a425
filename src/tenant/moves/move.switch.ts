import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource, type Placement, serverOf, TenantDataSource } from '../../tenancy/index.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { TenantRecord } from '../tenant.record.js';
import type { HeldMove } from './move.js';
import { MoveAborted } from './move.errors.js';
import { isTimeout, leaveSource, LOCK_MS, PauseFailed } from './move.pause.js';
import { MovePlaces } from './move.places.js';
import type { MoveRun } from './move.run.js';
import { MoveStore } from './move.store.js';
import { movedTables } from './moved.tables.js';

/** So that whoever waits behind the row of the registry does not wait for long. */
export const ROW_GUARD = `SET LOCAL lock_timeout = ${LOCK_MS}`;
/** NOTIFY channel of tenants that have something in an outbox of their own. */
export const OUTBOX_CHANNEL = 'tenantry_outbox';

/** Statuses that a tenant keeps while it moves. */
export const MOVABLE: readonly string[] = ['active', 'suspended', 'archived'];

/** Takes a tenant from one place to the other, while those who want to work with it wait. */
@Injectable()
export class MoveSwitch {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: MoveStore,
    private readonly places: MovePlaces,
    private readonly registry: TenantStore,
    private readonly changes: TenantChanges,
    private readonly tenants: TenantDataSource,
  ) {}

  /**
   * One attempt. Once the source is closed there is no way back: whoever finds it closed goes on to `arrive`.
   *
   * @throws PauseFailed; MoveAborted; MoveLost
   */
  async attempt(run: MoveRun): Promise<void> {
    const { move } = run;
    let paused = 0;
    await this.platform.transaction(async (manager) => {
      // Locked before the pause: whoever aborts, or changes the tenant, does so before it or after it.
      const tenant = await this.lock(manager, move);
      const left = await leaveSource(run, () => movedTables(run.source, run.target));
      paused = left.began;
      if (left.rows > 0) await this.store.applied(move, left.rows, manager);
      await this.arriveWithin(manager, move, tenant, run.target);
    });
    const ms = performance.now() - paused;
    this.tenants.connections.forget(move.source);
    await this.store.notePause(move, ms);
  }

  /** What is left to do when a worker ended after the source was closed. May be repeated. */
  async arrive(move: HeldMove, target: MoveRun['target']): Promise<void> {
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, move.tenantId);
      await this.store.lock(manager, move);
      await this.arriveWithin(manager, move, tenant, target);
    });
    this.tenants.connections.forget(move.source);
  }

  private async lock(manager: EntityManager, move: HeldMove): Promise<TenantRecord> {
    await manager.query(ROW_GUARD);
    try {
      const tenant = await this.registry.lock(manager, move.tenantId);
      const { abortRequestedAt } = await this.store.lock(manager, move);
      if (abortRequestedAt !== null || !MOVABLE.includes(tenant.status)) throw new MoveAborted();
      return tenant;
    } catch (error) {
      throw isTimeout(error) ? new PauseFailed('the registry is held', { cause: error }) : error;
    }
  }

  private async arriveWithin(
    manager: EntityManager,
    move: HeldMove,
    tenant: TenantRecord,
    target: MoveRun['target'],
  ): Promise<void> {
    await target.open();
    const { source, target: placement } = move;
    await manager.query('UPDATE tenants SET placement = $2, updated_at = now() WHERE id = $1', [
      tenant.id,
      JSON.stringify(placement),
    ]);
    await this.places.settle(manager, tenant.id, source, placement);
    await this.store.switched(manager, move);
    await this.changes.record(manager, tenant, {
      event: 'tenant.moved',
      before: whereaboutsOf(source),
      after: whereaboutsOf(placement),
    });
    await manager.query('SELECT pg_notify($1, $2)', [OUTBOX_CHANNEL, tenant.id]);
  }
}

export function whereaboutsOf(placement: Placement): { isolation: string; server: string } {
  return { isolation: placement.kind, server: serverOf(placement) };
}
