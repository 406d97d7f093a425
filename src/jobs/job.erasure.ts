import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

/** Rows that one statement deletes at most. */
const BATCH = 5000;

/** A tenant's own jobs in every state; of the platform's about it those that have ended, dead ones included. */
const JOBS = `DELETE FROM jobs.job j USING (
    SELECT name, id FROM jobs.job WHERE group_id = $1 AND (data->>'tenant_id' IS NOT NULL OR state > 'active') LIMIT ${BATCH}) own
  WHERE j.name = own.name AND j.id = own.id`;
const WAITING = 'SELECT count(*)::int AS waiting FROM jobs.job WHERE group_id = $1';
const LANES = 'DELETE FROM platform.job_lanes WHERE tenant_id = $1';

/** Erases what the job engine holds of a tenant. */
@Injectable()
export class JobErasure {
  /**
   * A worker that runs one of the jobs loses its hold and has it aborted; whatever becomes of it is not stored. What the
   * platform is still to be told of the tenant stays until it was.
   *
   * @param manager of a transaction of the control plane
   * @returns how many rows went or are still to go
   */
  async erase(manager: EntityManager, tenantId: string): Promise<number> {
    let erased = 0;
    for (let batch = BATCH; batch === BATCH; erased += batch) {
      [, batch] = await manager.query<[unknown[], number]>(JOBS, [tenantId]);
    }
    const [, lanes] = await manager.query<[unknown[], number]>(LANES, [tenantId]);
    const [left] = await manager.query<{ waiting: number }[]>(WAITING, [tenantId]);
    return erased + lanes + (left?.waiting ?? 0);
  }
}
