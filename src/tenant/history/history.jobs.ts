import { Injectable, Logger } from '@nestjs/common';
import { IsUUID } from 'class-validator';
import { JobFailure, type JobRun, PlatformCron, PlatformJobHandler, PlatformJobs } from '../../jobs/index.js';
import { BackupJobs } from '../backups/backup.jobs.js';
import { BackupStore } from '../backups/backup.store.js';
import { MoveFailure } from '../moves/move.errors.js';
import { MovePlaces } from '../moves/move.places.js';
import { TenantStore } from '../tenant.store.js';
import type { History } from './history.js';
import { deleteHistory } from './history.statements.js';
import { HistoryStore } from './history.store.js';
import { TenantHistories } from './tenant.histories.js';

export class HistoryOrder {
  @IsUUID()
  tenant_id: string;
}

/** Has histories switched on and off by workers, and keeps them as long as they are to be. */
@Injectable()
export class HistoryJobs {
  private readonly logger = new Logger('History');

  constructor(
    private readonly histories: TenantHistories,
    private readonly store: HistoryStore,
    private readonly registry: TenantStore,
    private readonly places: MovePlaces,
    private readonly backups: BackupJobs,
    private readonly made: BackupStore,
    private readonly jobs: PlatformJobs,
  ) {}

  /** What {@link TenantHistories} throws. */
  async keep(name: string, days: number): Promise<void> {
    await this.order(await this.histories.keep(name, days));
  }

  /** What {@link TenantHistories} throws. */
  async drop(name: string): Promise<void> {
    await this.order(await this.histories.drop(name));
  }

  /** Has one that begins anew do so soon. */
  async resume(tenantId: string): Promise<void> {
    if ((await this.store.find(tenantId))?.state === 'starting') await this.order(tenantId);
  }

  @PlatformJobHandler({
    name: 'history.settle',
    payload: HistoryOrder,
    retries: 5,
    timeoutSeconds: 3600,
    concurrency: 2,
  })
  async settle({ tenant_id: id }: HistoryOrder): Promise<void> {
    try {
      // With a history alone nothing can be brought back.
      if (await this.histories.settle(id)) await this.backups.order(id);
    } catch (error) {
      // As while the tenant moves. What is not done by then, the next look finds.
      if (error instanceof MoveFailure) throw new JobFailure(error.reason);
      throw error;
    }
  }

  @PlatformCron('histories.tend', '*/5 * * * *', { timeoutSeconds: 3000 })
  async tend({ signal }: JobRun): Promise<void> {
    for (const history of await this.store.all()) {
      if (signal.aborted) return;
      // One whose server is away keeps no other waiting.
      await this.look(history, signal).catch((error: unknown) => {
        // It moves: the next look finds it where it is by then.
        if (error instanceof MoveFailure) return;
        this.logger.error({ err: error, tenant_id: history.tenantId }, 'A history could not be looked after');
      });
    }
  }

  private async look(history: History, signal: AbortSignal): Promise<void> {
    const { tenantId, state } = history;
    if (state !== 'on') return this.order(tenantId);
    const { placement } = await this.registry.find(tenantId);
    const client = await this.places.connect(placement);
    try {
      if ((await this.places.historyAt({ client, tenantId }, placement)) !== 'all') {
        // It may have moved in between, or be about to.
        if (await this.isWhole(tenantId)) return;
        this.logger.error({ tenant_id: tenantId }, 'Not all tables were captured: a history begins anew');
        await this.store.broken(history);
        return await this.order(tenantId);
      }
      await this.orderBase(history);
      const cut = await this.store.cutOf(tenantId);
      if (cut === undefined || !(await this.store.trimmed(tenantId, cut))) return;
      await deleteHistory(client, placement, tenantId, cut, signal);
    } finally {
      await client.end();
    }
  }

  /** Looked at with the place in hand, so that no move is on its way. @throws MoveFailure while one is */
  private async isWhole(tenantId: string): Promise<boolean> {
    const { placement } = await this.registry.find(tenantId);
    const place = await this.places.open(tenantId, placement);
    try {
      const closed = await place.isClosed();
      return closed || (await this.places.historyAt(place, placement)) === 'all';
    } finally {
      await place.end();
    }
  }

  /** The one that was asked for when it began may have failed, or have been asked for before. */
  private async orderBase({ tenantId, since }: History): Promise<void> {
    if ((await this.store.reachesBackTo(tenantId)) !== null) return;
    const [last] = await this.made.list(tenantId, 1);
    const again = !last || last.createdAt < since! || last.state === 'failed';
    if (again) await this.backups.order(tenantId);
  }

  private async order(tenantId: string): Promise<void> {
    await this.jobs.enqueue('history.settle', { tenant_id: tenantId }, { about: tenantId });
  }
}
