import { Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource, type Placement, placeOf } from '../../tenancy/index.js';
import { UnknownServer } from '../places/servers.js';
import { TenantStore } from '../tenant.store.js';
import { MoveInterrupted } from './move.errors.js';
import { MovePlaces } from './move.places.js';
import { MoveStore } from './move.store.js';

/**
 * Until then every process has heard that the tenant has moved, and what it began before has ended; later it would have to
 * get in to be told, in s.
 */
const HIDE_AFTER_S = 180;
/** How often is looked, in ms. */
const LOOK_MS = 5000;
/** What failed is tried again after this long, in ms. */
const RETRY_MS = 60_000;
const TO_HIDE = `SELECT id, source FROM moves WHERE state = 'done' AND source_gone_at IS NULL AND source_hidden_at IS NULL
  AND source->>'kind' <> 'shared' AND id <> ALL ($2) AND switched_at < now() - $1 * interval '1 second' ORDER BY id LIMIT 20`;
const TO_DROP = `SELECT id, tenant_id AS "tenantId", source FROM moves m WHERE state = 'done' AND source_gone_at IS NULL
  AND keep_until <= now() AND id <> ALL ($1)
  AND NOT EXISTS (SELECT FROM moves r WHERE r.tenant_id = m.tenant_id AND r.state IN ('running', 'undoing'))
  ORDER BY keep_until LIMIT 20`;

interface KeptSource {
  id: string;
  tenantId: string;
  source: Placement;
}

/** Looks after what moves have left behind: hides it for good, and drops it when its time is over. */
@Injectable()
export class MoveAftercare {
  private readonly logger = new Logger('Moves');
  private lookedAt = -Infinity;
  /** Moves of which something failed, and until when they are not in the way of the others. */
  private readonly failed = new Map<string, number>();

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: MoveStore,
    private readonly places: MovePlaces,
    private readonly registry: TenantStore,
  ) {}

  /** What fails is tried again; one failure does not keep the others waiting. */
  async runDue(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.lookedAt < LOOK_MS) return;
    this.lookedAt = performance.now();
    await this.hideDue(HIDE_AFTER_S);
    await this.dropDue(signal);
  }

  /** @param afterS seconds after the switch */
  async hideDue(afterS: number): Promise<void> {
    for (const { id, source } of await this.platform.query<KeptSource[]>(TO_HIDE, [afterS, this.failedOf()])) {
      await this.attempt(id, async () => {
        await this.places.hide(source);
        await this.platform.query('UPDATE moves SET source_hidden_at = now() WHERE id = $1', [id]);
      });
    }
  }

  /** Drops what has been kept for long enough. */
  async dropDue(signal?: AbortSignal): Promise<void> {
    for (const kept of await this.platform.query<KeptSource[]>(TO_DROP, [this.failedOf()])) {
      if (signal?.aborted) return;
      await this.attempt(kept.id, () => this.drop(kept, signal));
    }
  }

  private async drop({ id, tenantId, source }: KeptSource, signal?: AbortSignal): Promise<void> {
    const gone = source.kind === 'shared' ? await this.empty(tenantId, source, signal) : true;
    if (source.kind !== 'shared') await this.places.condemn(tenantId, source);
    if (gone) await this.store.sourceGone(id);
  }

  /**
   * It stays closed there: a process that has not heard of the move yet finds nothing to write to.
   *
   * @returns false when a move has come in between
   */
  private async empty(tenantId: string, source: Placement, signal?: AbortSignal): Promise<boolean> {
    let place;
    try {
      place = await this.places.open(tenantId, source);
    } catch (error) {
      // A server that was removed has taken it along.
      if (error instanceof UnknownServer) return true;
      throw error;
    }
    try {
      // A move that leads there begins with its rows in its own hands, which are these now.
      const { placement } = await this.registry.find(tenantId);
      const running = await this.store.running(tenantId);
      if (placeOf(placement) === placeOf(source) || running || !(await place.isClosed())) return false;
      await place.empty(await place.allTables(), () => {
        if (signal?.aborted) throw new MoveInterrupted();
        return Promise.resolve();
      });
      return true;
    } finally {
      await place.end();
    }
  }

  private failedOf(): string[] {
    for (const [id, until] of this.failed) if (until < performance.now()) this.failed.delete(id);
    return [...this.failed.keys()];
  }

  private async attempt(move: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof MoveInterrupted) return;
      this.failed.set(move, performance.now() + RETRY_MS);
      this.logger.warn({ err: error, move }, 'What a move left behind could not be put away; trying again');
    }
  }
}
