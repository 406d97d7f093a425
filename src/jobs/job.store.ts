import { Injectable } from '@nestjs/common';
import { JobEngine } from './job.engine.js';

/** A worker's hold on a job. `retryCount` fences it: whoever takes the job next has another number. */
export interface Hold {
  name: string;
  id: string;
  retryCount: number;
}

/**
 * What becomes of jobs, as statements on the engine's table. Outcomes are ours rather than the engine's calls, so that
 * each is one statement: a retry takes its new place in the lane as it is put back, and what is done says how long it
 * is kept. Every statement is a transaction of its own.
 */
@Injectable()
export class JobStore {
  constructor(private readonly engine: JobEngine) {}

  /** Which queues have something due. */
  async ready(names: string[]): Promise<string[]> {
    const rows = await this.engine.query<{ name: string }>(
      `SELECT n.name FROM unnest($1::text[]) AS n (name) WHERE EXISTS (
         SELECT FROM jobs.job j WHERE j.name = n.name AND j.state < 'active' AND NOT j.blocked
            AND j.start_after <= now())`,
      [names],
    );
    return rows.map(({ name }) => name);
  }

  /**
   * Takes due jobs of tenants of a plan, in the order in which the engine would.
   *
   * @returns their ids
   */
  async takeOfPlan(name: string, plan: string, most: number): Promise<string[]> {
    const rows = await this.engine.query<{ id: string }>(
      `WITH next AS (
         SELECT j.id FROM jobs.job j
          WHERE j.name = $1 AND j.state < 'active' AND NOT j.blocked AND j.start_after <= now()
            AND EXISTS (SELECT 1 FROM platform.tenants t WHERE t.id::text = j.group_id AND t.plan = $2)
          ORDER BY j.priority DESC, j.created_on LIMIT $3 FOR UPDATE OF j SKIP LOCKED)
       UPDATE jobs.job j SET state = 'active', started_on = now(), heartbeat_on = clock_timestamp(),
              retry_count = CASE WHEN started_on IS NOT NULL THEN retry_count + 1 ELSE retry_count END
         FROM next WHERE j.name = $1 AND j.id = next.id RETURNING j.id`,
      [name, plan, most],
    );
    return rows.map(({ id }) => id);
  }

  /** @returns the ids of the holds that still hold */
  async beat(holds: Hold[]): Promise<Set<string>> {
    const rows = await this.engine.query<{ id: string }>(
      `UPDATE jobs.job j SET heartbeat_on = clock_timestamp()
         FROM unnest($1::text[], $2::uuid[], $3::int[]) AS held (name, id, retry_count)
        WHERE j.name = held.name AND j.id = held.id AND j.retry_count = held.retry_count AND j.state = 'active'
       RETURNING j.id`,
      [holds.map((h) => h.name), holds.map((h) => h.id), holds.map((h) => h.retryCount)],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** @param keepSeconds how long it is kept, and with it its key */
  async done({ name, id, retryCount }: Hold, keepSeconds: number): Promise<void> {
    await this.engine.query(
      `UPDATE jobs.job SET state = 'completed', completed_on = now(), deletion_seconds = $4, output = NULL WHERE name = $1 AND id = $2 AND retry_count = $3 AND state = 'active'`,
      [name, id, retryCount, keepSeconds],
    );
  }

  /**
   * @param dead whether it is given up although attempts are left
   * @param priority its place among those that wait
   */
  async failed({ name, id, retryCount }: Hold, reason: string, dead: boolean, priority: number): Promise<void> {
    await this.engine.query(
      `UPDATE jobs.job
          SET state = CASE WHEN $5 OR retry_count >= retry_limit THEN 'failed' ELSE 'retry' END::jobs.job_state,
              completed_on = CASE WHEN $5 OR retry_count >= retry_limit THEN now() END,
              start_after = now() + interval '1 second' * CASE WHEN retry_backoff
                THEN least(3600, greatest(retry_delay, 1) * 2 ^ least(16, retry_count) * (0.75 + random() / 2))
                ELSE retry_delay END,
              output = jsonb_build_object('reason', $4::text), priority = $6, heartbeat_on = NULL
        WHERE name = $1 AND id = $2 AND retry_count = $3 AND state = 'active'`,
      [name, id, retryCount, reason, dead, priority],
    );
  }

  /** Puts a job back as if it had not been taken: the attempt does not count. */
  async release({ name, id, retryCount }: Hold, delaySeconds = 0): Promise<void> {
    await this.engine.query(
      `UPDATE jobs.job SET state = 'created', started_on = NULL, heartbeat_on = NULL,
              start_after = now() + $4 * interval '1 second' WHERE name = $1 AND id = $2 AND retry_count = $3 AND state = 'active'`,
      [name, id, retryCount, delaySeconds],
    );
  }

  /** All that waits in a tenant's name moves back too, so that it is not taken one by one for nothing. */
  async postpone(hold: Hold, tenantId: string, delaySeconds: number): Promise<void> {
    await this.release(hold, delaySeconds);
    await this.engine.query(
      `UPDATE jobs.job SET start_after = now() + $3 * interval '1 second'
        WHERE name = $1 AND group_id = $2 AND state < 'active' AND start_after <= now()`,
      [hold.name, tenantId, delaySeconds],
    );
  }

  /** Removes the job and all that waits in the tenant's name. @returns how many */
  async drop({ name, id, retryCount }: Hold, tenantId: string): Promise<number> {
    await this.engine.query('DELETE FROM platform.job_lanes WHERE name = $1 AND tenant_id = $2', [name, tenantId]);
    const rows = await this.engine.query<{ id: string }>(
      `DELETE FROM jobs.job WHERE (name = $1 AND id = $2 AND retry_count = $3 AND state = 'active') OR (name = $1 AND group_id = $4 AND state < 'active') RETURNING id`,
      [name, id, retryCount, tenantId],
    );
    return rows.length;
  }
}
