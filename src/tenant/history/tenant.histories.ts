import { Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource, type Placement, placeOf } from '../../tenancy/index.js';
import { BackupsOff } from '../backups/backup.errors.js';
import { BackupStorage } from '../backups/backup.storage.js';
import { MoveFailure } from '../moves/move.errors.js';
import { MovePlaces } from '../moves/move.places.js';
import { MOVABLE } from '../moves/move.switch.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { HistoryStatus } from './history.js';
import { HistoryRefused, HistoryStopping } from './history.errors.js';
import { countHistory, deleteHistory } from './history.statements.js';
import { HistoryStore } from './history.store.js';

/** Kinds whose data comes from elsewhere and is put back from there. */
const COPIES: readonly string[] = ['sandbox', 'training'];

/** To count is not worth more. */
const BRIEFLY = `SET statement_timeout = '3s'`;
const QUERY_CANCELED = '57014';
const NOW = 'SELECT clock_timestamp() AS now';

/** Switches the histories of tenants on and off. */
@Injectable()
export class TenantHistories {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: HistoryStore,
    private readonly registry: TenantStore,
    private readonly places: MovePlaces,
    private readonly storage: BackupStorage,
    private readonly changes: TenantChanges,
  ) {}

  /**
   * Has the history of a tenant kept from soon on, or for another number of days.
   *
   * @param name slug or UUID
   * @returns its id
   * @throws UnknownTenant, HistoryRefused, HistoryStopping; BackupsOff, since a history alone brings nothing back
   */
  async keep(name: string, days: number): Promise<string> {
    if (!this.storage.available) throw new BackupsOff();
    const { id } = await this.registry.find(name);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, id);
      if (!MOVABLE.includes(tenant.status)) throw new HistoryRefused(tenant.status);
      if (COPIES.includes(tenant.kind)) throw new HistoryRefused(`of the kind ${tenant.kind}`);
      const before = await this.store.find(id, manager);
      if (before?.state === 'stopping') throw new HistoryStopping();
      if (before?.days === days) return;
      await this.store.wish(manager, id, days);
      await this.changes.record(manager, tenant, {
        event: 'tenant.history_kept',
        before: { history_days: before?.days ?? null },
        after: { history_days: days },
      });
    });
    return id;
  }

  /** Has it deleted, and nothing more of it kept. Nothing happens where there is none. @throws UnknownTenant */
  async drop(name: string): Promise<string> {
    const { id } = await this.registry.find(name);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, id);
      const before = await this.store.find(id, manager);
      if (!(await this.store.stop(manager, id))) return;
      await this.changes.record(manager, tenant, {
        event: 'tenant.history_dropped',
        before: { history_days: before?.days ?? null },
        after: { history_days: null },
      });
    });
    return id;
  }

  /** @throws UnknownTenant */
  async status(name: string): Promise<HistoryStatus> {
    const { id, placement } = await this.registry.find(name);
    const history = await this.store.find(id);
    if (!history) return { state: 'off', days: null, since: null, reachesBackTo: null, rows: 0, bytes: 0 };
    const { state, days, since } = history;
    const client = await this.places.connect(placement);
    try {
      return {
        state,
        days,
        since,
        reachesBackTo: await this.store.reachesBackTo(id),
        ...(await this.count(client, placement, id)),
      };
    } finally {
      await client.end();
    }
  }

  private async count(
    client: pg.Client,
    placement: Placement,
    id: string,
  ): Promise<{ rows: number | null; bytes: number | null }> {
    try {
      await client.query(BRIEFLY);
      return (await client.query<{ rows: number; bytes: number }>(countHistory(placement), [id])).rows[0]!;
    } catch (error) {
      if ((error as pg.DatabaseError).code !== QUERY_CANCELED) throw error;
      return { rows: null, bytes: null };
    }
  }

  /**
   * Does what was asked for, in the place where the tenant is. May be repeated, at any time and by several at once.
   *
   * @returns whether the history is on since just now
   * @throws MoveFailure while another worker has the place in hand
   */
  async settle(tenantId: string): Promise<boolean> {
    const history = await this.store.find(tenantId);
    if (history?.state === 'starting') return this.begin(tenantId);
    if (history?.state === 'stopping') await this.finish(tenantId);
    return false;
  }

  /** For who is about to erase the tenant. */
  async end(tenantId: string): Promise<void> {
    if (!(await this.store.find(tenantId))) return;
    await this.platform.transaction((manager) => this.store.stop(manager, tenantId));
    await this.finish(tenantId);
  }

  private begin(tenantId: string): Promise<boolean> {
    return this.inHand(tenantId, async (placement, client) => {
      // Another worker may have been faster: what was captured since then is not to go.
      if ((await this.store.find(tenantId))?.state !== 'starting') return false;
      // What an earlier one has left would be taken for what has changed since the backup.
      await deleteHistory(client, placement, tenantId, null);
      await this.places.keepHistory(tenantId, placement);
      return this.store.started(tenantId);
    });
  }

  private async finish(tenantId: string): Promise<void> {
    for (;;) {
      const left = await this.inHand(tenantId, async (placement, client) => {
        if ((await this.store.find(tenantId))?.state !== 'stopping') return undefined;
        await this.places.endHistory(tenantId, placement);
        return { placement, at: (await client.query<{ now: Date }>(NOW)).rows[0]!.now };
      });
      if (!left) return;
      // Out of hand, since it may take long: a move may come in between and take the rest along; and so may somebody who
      // switches it on again, whose changes are later.
      await this.empty(tenantId, left.placement, left.at);
      const { placement } = await this.registry.find(tenantId);
      if (placeOf(placement) === placeOf(left.placement)) return this.store.forget(tenantId);
    }
  }

  /** Nobody moves the tenant meanwhile. @throws MoveFailure when somebody does */
  private async inHand<T>(tenantId: string, work: (placement: Placement, client: pg.Client) => Promise<T>): Promise<T> {
    const { placement } = await this.registry.find(tenantId);
    const place = await this.places.open(tenantId, placement);
    try {
      const present = await this.registry.find(tenantId);
      if (placeOf(present.placement) !== placeOf(placement)) throw new MoveFailure('the tenant has just moved');
      return await work(placement, place.client);
    } finally {
      await place.end();
    }
  }

  /** @param before by the clock of the place, to the millisecond; what was captured within this one goes as well */
  private async empty(tenantId: string, placement: Placement, before: Date): Promise<void> {
    const client = await this.places.connect(placement);
    try {
      await deleteHistory(client, placement, tenantId, new Date(before.getTime() + 1));
    } finally {
      await client.end();
    }
  }
}
