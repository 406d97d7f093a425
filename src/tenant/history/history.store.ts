import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import type { Backup } from '../backups/backup.js';
import type { History } from './history.js';

type Queries = Pick<EntityManager, 'query'>;

/**
 * How long before a backup was asked for a transaction may have begun that it did not see and that is replayed on it, in
 * hours: what was captured in that time stays as long as the backup is one to begin with.
 */
const MARGIN = `interval '24 hours'`;

const COLUMNS = `tenant_id AS "tenantId", days, state, since, trimmed_to AS "trimmedTo", changed_at AS "changedAt"`;
const FIND = `SELECT ${COLUMNS} FROM histories WHERE tenant_id = $1`;
const WISH = `INSERT INTO histories (tenant_id, days) VALUES ($1, $2)
  ON CONFLICT (tenant_id) DO UPDATE SET days = EXCLUDED.days RETURNING ${COLUMNS}`;
const STOP = `UPDATE histories SET state = 'stopping', changed_at = now() WHERE tenant_id = $1 AND state <> 'stopping' RETURNING 1`;
const STARTED = `UPDATE histories SET state = 'on', since = clock_timestamp(), trimmed_to = NULL, changed_at = now()
  WHERE tenant_id = $1 AND state = 'starting' RETURNING 1`;
const BROKEN = `UPDATE histories SET state = 'starting', since = NULL, changed_at = now()
  WHERE tenant_id = $1 AND state = 'on' AND date_trunc('milliseconds', since) = $2`;
const BEGIN_ANEW = `UPDATE histories SET state = 'starting', since = NULL, changed_at = now()
  WHERE tenant_id = $1 AND state = 'on'`;
const TRIMMED = `UPDATE histories SET trimmed_to = greatest(trimmed_to, $2) WHERE tenant_id = $1 AND state = 'on' RETURNING 1`;
const FORGET = `DELETE FROM histories WHERE tenant_id = $1 AND state = 'stopping'`;
const ALL = `SELECT ${COLUMNS} FROM histories ORDER BY tenant_id`;

/** Backups `b` that the history `h` was whole from: asked for once all was captured, so that none of their snapshots is older. */
const BASES = `backups b JOIN histories h ON h.tenant_id = b.tenant_id AND h.state = 'on'
  WHERE b.tenant_id = $1 AND b.state = 'done' AND b.created_at >= h.since
    AND (h.trimmed_to IS NULL OR b.created_at - ${MARGIN} >= h.trimmed_to)`;
const BASE_BEFORE = `SELECT b.id FROM ${BASES} AND b.made_at < $2 ORDER BY b.made_at DESC LIMIT 1`;
const FIRST_BASE = `SELECT b.made_at AS "madeAt" FROM ${BASES} ORDER BY b.made_at LIMIT 1`;
const IS_BASE = `SELECT 1 FROM ${BASES} AND b.id = $2`;
/** What is older is of no use: before the days that are kept, and before the backup that reaches their beginning. */
const CUT = `SELECT least(now() - h.days * interval '1 day', base.created_at - ${MARGIN}) AS cut
  FROM histories h LEFT JOIN LATERAL (
    SELECT b.created_at FROM backups b WHERE b.tenant_id = h.tenant_id AND b.state = 'done' AND b.created_at >= h.since
     ORDER BY b.made_at <= now() - h.days * interval '1 day' DESC,
              abs(extract(epoch FROM b.made_at - (now() - h.days * interval '1 day'))) LIMIT 1) base ON true
 WHERE h.tenant_id = $1 AND h.state = 'on'`;
const NOW = 'SELECT clock_timestamp() AS now';

/** The registry of histories. */
@Injectable()
export class HistoryStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  async find(tenantId: string, queries: Queries = this.platform): Promise<History | undefined> {
    return (await queries.query<History[]>(FIND, [tenantId]))[0];
  }

  all(): Promise<History[]> {
    return this.platform.query<History[]>(ALL);
  }

  /** Notes that it is to be kept, and for how long. */
  async wish(manager: EntityManager, tenantId: string, days: number): Promise<History> {
    return (await manager.query<History[]>(WISH, [tenantId, days]))[0]!;
  }

  /** @returns whether there was one that was not being stopped already */
  async stop(manager: EntityManager, tenantId: string): Promise<boolean> {
    return changed(await manager.query(STOP, [tenantId]));
  }

  /** From this moment on it is whole. @returns false when it is not wanted any more */
  async started(tenantId: string): Promise<boolean> {
    return changed(await this.platform.query(STARTED, [tenantId]));
  }

  /** It has to begin anew. */
  async broken({ tenantId, since }: History): Promise<void> {
    await this.platform.query(BROKEN, [tenantId, since]);
  }

  /** The same for a tenant whose rows are about to be others. */
  async beginAnew(manager: EntityManager, tenantId: string): Promise<void> {
    await manager.query(BEGIN_ANEW, [tenantId]);
  }

  async forget(tenantId: string): Promise<void> {
    await this.platform.query(FORGET, [tenantId]);
  }

  /** @returns the time before which nothing is needed any more */
  async cutOf(tenantId: string): Promise<Date | undefined> {
    return (await this.platform.query<{ cut: Date }[]>(CUT, [tenantId]))[0]?.cut;
  }

  /** To be noted before anything is deleted: nobody begins with a backup that needs it. @returns false when it is not on */
  async trimmed(tenantId: string, cut: Date): Promise<boolean> {
    return changed(await this.platform.query(TRIMMED, [tenantId, cut]));
  }

  /** The newest good backup from before a moment that the history leads on from. */
  async baseBefore(tenantId: string, until: Date): Promise<string | undefined> {
    return (await this.platform.query<{ id: string }[]>(BASE_BEFORE, [tenantId, until]))[0]?.id;
  }

  /** As of when the oldest such backup is. */
  async reachesBackTo(tenantId: string): Promise<Date | null> {
    return (await this.platform.query<{ madeAt: Date }[]>(FIRST_BASE, [tenantId]))[0]?.madeAt ?? null;
  }

  async isBase({ id, tenantId }: Pick<Backup, 'id' | 'tenantId'>): Promise<boolean> {
    return (await this.platform.query<unknown[]>(IS_BASE, [tenantId, id])).length > 0;
  }

  async now(): Promise<Date> {
    return (await this.platform.query<{ now: Date }[]>(NOW))[0]!.now;
  }
}

function changed(result: unknown): boolean {
  return (result as [unknown[], number])[1] > 0;
}
