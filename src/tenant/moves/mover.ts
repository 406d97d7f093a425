import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { HeldMove } from './move.js';
import { MoveCarrier } from './move.carrier.js';
import { CopyUnfit, MoveAborted, MoveFailure, TablesChanged } from './move.errors.js';
import type { MovePlace } from './move.place.js';
import { PauseFailed } from './move.pause.js';
import { MovePlaces } from './move.places.js';
import type { MoveRun } from './move.run.js';
import { MoveStore } from './move.store.js';
import { MOVABLE, MoveSwitch, whereaboutsOf } from './move.switch.js';
import { forgetChanges } from './row.statements.js';

/** How often what was copied may be found to be unfit before the move is given up. */
const MAX_COPIES = 5;
/** How often the tenant is paused in vain before the move is given up, and how long until the next time, in ms. */
const MAX_PAUSES = 12;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
/** Between two looks at whether the move is still to be, in ms. */
const LOOK_MS = 200;

/** Takes a move through its steps, from where a worker before left it. */
@Injectable()
export class Mover {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: MoveStore,
    private readonly places: MovePlaces,
    private readonly carrier: MoveCarrier,
    private readonly switcher: MoveSwitch,
    private readonly registry: TenantStore,
    private readonly changes: TenantChanges,
  ) {}

  /**
   * Ends when the move has ended, as `done` or taken back.
   *
   * @param stops throws when the process, or its hold on the move, ends
   * @throws MoveAborted, MoveFailure and whatever servers say; what was done stays
   */
  async work(move: HeldMove, stops: () => void): Promise<void> {
    const source = await this.places.open(move.tenantId, move.source);
    try {
      // Closed, it has been left for good, whatever anybody wants by now.
      if (await source.isClosed()) await this.finish(move, source);
      else if (move.state === 'undoing') await this.takeBack(move, source);
      else await this.carry(move, source, stops);
    } finally {
      await source.end();
    }
  }

  private async carry(move: HeldMove, source: MovePlace, stops: () => void): Promise<void> {
    const check = this.checkOf(move, stops);
    await check();
    const copied = ['follow', 'verify', 'switch', 'finish'].includes(move.step);
    let phase: 'new' | 'copying' | 'copied' = copied ? 'copied' : move.step === 'copy' ? 'copying' : 'new';
    // The target first: it may be no more than a name yet.
    if (phase === 'new') await this.store.beginStep(move, 'prepare');
    await this.build(move);
    const target = await this.places.open(move.tenantId, move.target);
    await target.copies();
    const reader = await this.places.connect(move.source);
    const run: MoveRun = { move, source, target, reader, tables: [], check };
    try {
      for (let copies = 0; ; copies += 1) {
        try {
          await this.bring(run, phase);
          break;
        } catch (error) {
          if (!(error instanceof CopyUnfit)) throw error;
          if (copies === MAX_COPIES) throw new MoveFailure(error.reason, true);
          // It may be of another version by now.
          await this.store.beginStep(move, 'prepare');
          await this.build(move);
          phase = 'new';
        }
      }
      await this.finish(move, source, target);
    } finally {
      await Promise.all([target.end(), reader.end().catch(() => undefined)]);
    }
  }

  private async build({ tenantId, source, target }: HeldMove): Promise<void> {
    await this.places.build(tenantId, source);
    await this.places.build(tenantId, target);
    await this.store.forgetKept(tenantId, target, (kept) => this.places.condemn(tenantId, kept));
  }

  private async bring(run: MoveRun, phase: 'new' | 'copying' | 'copied'): Promise<void> {
    await this.carrier.prepare(run, phase === 'new');
    if (phase !== 'copied') await this.carrier.copy(run, phase === 'new');
    let sure = false;
    for (let pauses = 1; ; pauses += 1) {
      await this.store.beginStep(run.move, 'follow');
      sure = (await this.carrier.follow(run)) && sure;
      if (!sure) await this.carrier.verify(run);
      sure = true;
      await this.store.beginStep(run.move, 'switch');
      try {
        return await this.switcher.attempt(run);
      } catch (error) {
        if (error instanceof TablesChanged) throw error;
        if (!(error instanceof PauseFailed) && !(error instanceof CopyUnfit)) throw error;
        await this.store.paused(run.move, error.reason);
        if (pauses === MAX_PAUSES) throw new MoveFailure(error.reason, true);
        await sleep(Math.min(FIRST_WAIT_MS * 1.6 ** pauses, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2));
        await run.check();
      }
    }
  }

  /** What is left to do when the source has been left. May be repeated. */
  private async finish(move: HeldMove, source: MovePlace, target?: MovePlace): Promise<void> {
    const { switchedAt } = await this.store.reload(move);
    if (switchedAt === null) {
      const there = target ?? (await this.places.open(move.tenantId, move.target));
      try {
        await this.switcher.arrive(move, there);
      } finally {
        if (!target) await there.end();
      }
    }
    await this.endCapture(move, source);
    await this.platform.transaction((manager) =>
      this.store.end(manager, move, 'done', { keepHours: this.env.moveKeepHours }),
    );
  }

  /** The tenant stays where it is; nothing of the move does. May be repeated. */
  private async takeBack(move: HeldMove, source: MovePlace): Promise<void> {
    await this.endCapture(move, source);
    await this.clear(move);
    const aborted = move.error === null;
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, move.tenantId);
      await this.store.end(manager, move, aborted ? 'aborted' : 'failed', { error: move.error });
      await this.changes.record(manager, tenant, {
        event: aborted ? 'tenant.move_aborted' : 'tenant.move_failed',
        details: { ...whereaboutsOf(move.target), ...(move.error !== null && { reason: move.error }) },
      });
    });
  }

  /** A place of its own is dropped whole; from shared tables its rows go, and it stays closed there. */
  private async clear({ tenantId, target: placement }: HeldMove): Promise<void> {
    if (placement.kind !== 'shared') return this.places.condemn(tenantId, placement);
    const target = await this.places.open(tenantId, placement);
    try {
      await this.places.endHistory(tenantId, placement);
      // Not closed, nothing has been brought there yet.
      if (await target.isClosed()) await target.empty(await target.allTables(), () => Promise.resolve());
    } finally {
      await target.end();
    }
  }

  private async endCapture({ tenantId, source: placement }: HeldMove, source: MovePlace): Promise<void> {
    await this.places.stopCapture(tenantId, placement);
    // Where the tenant has left, nothing of its life is to be kept any more; what was, has gone along.
    if (await source.isClosed()) await this.places.endHistory(tenantId, placement);
    await source.client.query(forgetChanges(source.table('changes')), [tenantId]);
  }

  /** @returns what looks every now and then, and between looks costs next to nothing */
  private checkOf(move: HeldMove, stops: () => void): () => Promise<void> {
    let looked = -Infinity;
    return async () => {
      stops();
      if (performance.now() - looked < LOOK_MS) return;
      const { abortRequestedAt } = await this.store.reload(move);
      const { status } = await this.registry.find(move.tenantId);
      if (abortRequestedAt !== null || !MOVABLE.includes(status)) throw new MoveAborted();
      looked = performance.now();
    };
  }
}
