import { Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { TenantHistories } from '../history/index.js';
import { TenantMoves } from '../moves/tenant.moves.js';
import { Placements } from '../places/placements.js';
import { TenantRestores } from '../restores/tenant.restores.js';
import { TransitionRefused } from '../tenant.errors.js';
import { TenantStore } from '../tenant.store.js';
import { TenantErasure } from './tenant.erasure.js';
import { TenantLifecycle } from './tenant.lifecycle.js';

/** Tenants erased in one run. */
const MOST = 100;

/** Erases archived tenants whose grace period is over. Their slugs and a tombstone stay. */
@Injectable()
export class TenantPurge {
  private readonly logger = new Logger('Purge');

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly erasure: TenantErasure,
    private readonly placements: Placements,
    private readonly lifecycle: TenantLifecycle,
    private readonly store: TenantStore,
    private readonly moves: TenantMoves,
    private readonly restores: TenantRestores,
    private readonly histories: TenantHistories,
  ) {}

  /**
   * One failure does not keep the others waiting; what failed is tried again at the next run.
   *
   * @returns how many were purged
   */
  async runDue(signal?: AbortSignal): Promise<number> {
    const due = await this.platform.query<{ id: string }[]>(
      `SELECT id FROM tenants WHERE purge_after <= now() AND status IN ('archived', 'deleted') ORDER BY purge_after LIMIT $1`,
      [MOST],
    );
    let purged = 0;
    for (const { id } of due) {
      if (signal?.aborted) break;
      try {
        if (await this.erase(id)) purged += 1;
      } catch (error) {
        // Another process was faster.
        if (error instanceof TransitionRefused) continue;
        this.logger.error({ err: error, tenant_id: id }, 'A tenant could not be purged; it will be tried again');
      }
    }
    return purged;
  }

  /** @returns how many wait to be erased now */
  async countDue(): Promise<number> {
    const [row] = await this.platform.query<{ due: number }[]>(
      `SELECT count(*)::int AS due FROM tenants WHERE purge_after <= now() AND status = 'archived'`,
    );
    return row?.due ?? 0;
  }

  /** @returns whether that was the end of the tenant, and not only another look */
  private async erase(id: string): Promise<boolean> {
    // First of all it is beyond restoring: nobody may come back to half of their data. The date stays until all is gone.
    const ends = await this.platform.transaction(async (manager) => {
      const { status } = await this.store.lock(manager, id);
      if (status === 'archived') await this.lifecycle.applyWithin(manager, id, 'purge');
      await manager.query(
        `UPDATE tenants SET name = slug, settings = '{}', extra = '{}', purge_after = now()
          WHERE id = $1 AND status = 'deleted'`,
        [id],
      );
      return status === 'archived';
    });
    await this.restores.end(id);
    await this.moves.end(id);
    await this.histories.end(id);
    const erased = await this.erasure.erase(id, { forGood: true });
    await this.placements.drop(id);
    // What was handed on to the control plane may come after that: it is looked again until there was nothing to erase.
    await this.platform.transaction(async (manager) => {
      await manager.query('DELETE FROM provisionings WHERE tenant_id = $1', [id]);
      await manager.query('DELETE FROM restores WHERE tenant_id = $1', [id]);
      await manager.query('DELETE FROM moves WHERE tenant_id = $1', [id]);
      await manager.query(
        `UPDATE tenants SET purge_after = CASE WHEN $2 > 0 THEN now() + interval '1 hour' END
          WHERE id = $1 AND status = 'deleted'`,
        [id, erased],
      );
    });
    return ends;
  }
}
