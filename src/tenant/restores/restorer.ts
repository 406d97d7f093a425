import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource, type Placement } from '../../tenancy/index.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import { HistoryReplay } from '../history/history.replay.js';
import type { MovePlace } from '../moves/move.place.js';
import { MovePlaces } from '../moves/move.places.js';
import { atOneMoment } from '../moves/move.run.js';
import { MOVABLE, whereaboutsOf } from '../moves/move.switch.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { Difference, HeldRestore, TableDifference } from './restore.js';
import { RestoreFailure } from './restore.errors.js';
import { RestoreLoader } from './restore.loader.js';
import { RestoreStore } from './restore.store.js';
import { RestoreSwap } from './restore.swap.js';
import { restoredTables } from './restored.tables.js';
import { type ComparedPlace, compareTable } from './row.differences.js';

/** Between two looks at whether the restore is still to be, in ms. */
const LOOK_MS = 200;

/** Takes a restore through its steps, from where a worker before left it. */
@Injectable()
export class Restorer {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: RestoreStore,
    private readonly places: MovePlaces,
    private readonly loader: RestoreLoader,
    private readonly replay: HistoryReplay,
    private readonly swap: RestoreSwap,
    private readonly rules: ArchiveRules,
    private readonly registry: TenantStore,
    private readonly changes: TenantChanges,
  ) {}

  /**
   * Ends when the restore is ready, or over.
   *
   * @param stops throws when the process, or its hold on the restore, ends
   * @param signal aborted when the process stops
   * @throws RestoreLost, RestoreFailure and whatever servers say; what was done stays
   */
  async work(restore: HeldRestore, stops: () => void, signal: AbortSignal): Promise<void> {
    const check = this.checkOf(restore, stops);
    if (restore.state === 'undoing') return this.takeBack(restore);
    // Nobody has wanted it for too long.
    if (restore.state === 'ready') return this.store.undo(restore, null);
    if (restore.state === 'swapping') return this.swap.run(restore, check, signal);
    await check();
    await this.make(restore, check);
  }

  /** What an earlier worker had begun of it begins anew: nothing is there until all is. */
  private async make(restore: HeldRestore, check: () => Promise<void>): Promise<void> {
    const { tenantId, source, target: placement, backupId } = restore;
    await this.store.beginStep(restore, 'place');
    await this.places.build(tenantId, source);
    await this.places.build(tenantId, placement);
    const target = await this.places.open(tenantId, placement);
    try {
      // Before anything is there, so that nobody is ever served from it.
      await target.close();
      await this.store.beginStep(restore, 'load');
      await this.store.loaded(restore, await this.loader.load(backupId, target, check));
      await this.replayOn(restore, check);
      await this.store.beginStep(restore, 'compare');
      await this.compare(restore, target, check);
    } finally {
      await target.end();
    }
  }

  private async replayOn(restore: HeldRestore, check: () => Promise<void>): Promise<void> {
    const { tenantId, source, target, backupId: id, until } = restore;
    if (until === null) return;
    await this.store.beginStep(restore, 'replay');
    await this.replay.apply({ tenantId, source, target, base: { id, tenantId }, until, check });
  }

  private async compare(restore: HeldRestore, target: MovePlace, check: () => Promise<void>): Promise<void> {
    const source = await this.places.open(restore.tenantId, restore.source);
    const reader = await this.places.connect(restore.source);
    try {
      const comparedAt = new Date();
      const difference = await atOneMoment({ source, reader }, async (snapshot) =>
        this.differenceOf(source, target, { reader: snapshot, table: (name) => source.table(name) }, check),
      );
      await this.platform.transaction((manager) => this.store.ready(manager, restore, difference, comparedAt));
    } finally {
      await Promise.all([source.end(), reader.end().catch(() => undefined)]);
    }
  }

  private async differenceOf(
    source: MovePlace,
    target: MovePlace,
    now: ComparedPlace,
    check: () => Promise<void>,
  ): Promise<Difference> {
    const { rewound } = await restoredTables(source, target, this.rules);
    const then: ComparedPlace = {
      reader: { query: async (sql, values) => (await target.client.query(sql, values)).rows as never },
      table: (name) => target.table(name),
    };
    const difference: Difference = {};
    for (const table of rewound) {
      const counts: TableDifference = { only_now: 0, only_then: 0, changed: 0, same: 0 };
      for await (const { differences, same } of compareTable(source.tenantId, now, then, table)) {
        for (const { kind } of differences) counts[kind] += 1;
        counts.same += same;
        await check();
      }
      difference[table.name] = counts;
    }
    return difference;
  }

  /** The tenant stays as it is, and nothing of the restore does. May be repeated. */
  private async takeBack(restore: HeldRestore): Promise<void> {
    const { tenantId, target, error, id, backupId } = restore;
    await this.forgetClosure(tenantId, target);
    await this.places.condemn(tenantId, target);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, tenantId);
      await this.store.end(manager, restore, error === null ? 'discarded' : 'failed', error);
      await this.changes.record(manager, tenant, {
        event: error === null ? 'tenant.restore_discarded' : 'tenant.restore_failed',
        details: { restore: id, backup: backupId, ...whereaboutsOf(target), ...(error !== null && { reason: error }) },
      });
    });
  }

  /** Its place is dropped whole, but what closed a schema is in the tables of its server. */
  private async forgetClosure(tenantId: string, placement: Placement): Promise<void> {
    if (placement.kind !== 'schema') return;
    const place = await this.places.open(tenantId, placement);
    await place.open().finally(() => place.end());
  }

  /** @returns what looks every now and then, and between looks costs next to nothing */
  private checkOf(restore: HeldRestore, stops: () => void): () => Promise<void> {
    let looked = -Infinity;
    return async () => {
      stops();
      if (performance.now() - looked < LOOK_MS) return;
      const { swappedAt } = await this.store.reload(restore);
      const { status } = await this.registry.find(restore.tenantId);
      if (swappedAt === null && !MOVABLE.includes(status)) {
        throw new RestoreFailure(`the tenant is ${status}`, true);
      }
      looked = performance.now();
    };
  }
}
