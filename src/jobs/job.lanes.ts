import { Injectable } from '@nestjs/common';
import { JobEngine } from './job.engine.js';

/** How far a job takes its lane: the larger, the smaller its share while tenants compete. */
export const STEPS = { high: 1, normal: 2, low: 8 } as const;
export type JobPriority = keyof typeof STEPS;

/** Priorities are 32-bit integers; long before their end all tags of a queue are moved back to the start. */
const REBASE_AT = 1_000_000_000;

/**
 * Whose turn it is in a queue: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996). A tenant's lane is a row
 * with the tag of its last job; each job steps from there, or from the queue's clock when the lane is behind. The clock
 * is the tag of the job that is next. The engine starts jobs in the order of their priority, which is the negative tag:
 * so tenants take turns, whatever each of them has queued, in every process and without a look at the rows between.
 */
@Injectable()
export class JobLanes {
  constructor(private readonly engine: JobEngine) {}

  /**
   * The next place in the lane of each tenant.
   *
   * @param tenantIds each once
   * @returns the engine's priority, by tenant
   */
  async next(name: string, tenantIds: string[], step: number): Promise<Map<string, number>> {
    // An idle queue goes on from its longest lane: nobody is ahead of others for what was long ago.
    const rows = await this.engine.query<{ tenant_id: string; tag: number }>(
      `WITH head AS (
         SELECT coalesce(
           (SELECT -priority FROM jobs.job
             WHERE name = $1 AND state = 'created' AND NOT blocked AND start_after <= now()
             ORDER BY priority DESC, created_on LIMIT 1),
           (SELECT tag FROM platform.job_lanes WHERE name = $1 ORDER BY tag DESC LIMIT 1), 0) AS tag),
       clock AS (
         INSERT INTO platform.job_clocks AS c (name, tag) SELECT $1, tag FROM head
         ON CONFLICT (name) DO UPDATE SET tag = greatest(c.tag, excluded.tag) RETURNING tag)
       INSERT INTO platform.job_lanes AS l (name, tenant_id, step, tag)
       SELECT $1, tenant_id, $3, clock.tag + $3 FROM clock, unnest($2::uuid[]) AS tenant_id
       ON CONFLICT (name, tenant_id, step) DO UPDATE
         SET tag = greatest(l.tag, excluded.tag - excluded.step) + excluded.step
       RETURNING tenant_id, tag`,
      [name, tenantIds, step],
    );
    return new Map(rows.map(({ tenant_id, tag }) => [tenant_id, -tag]));
  }

  /** Forgets lanes that are not ahead of the clock, which is as if they had never been. */
  async sweep(): Promise<void> {
    await this.engine.query(
      `DELETE FROM platform.job_lanes l USING platform.job_clocks c WHERE l.name = c.name AND l.tag <= c.tag`,
    );
    await this.engine.query(
      `WITH far AS (SELECT name, tag FROM platform.job_clocks WHERE tag > $1 FOR UPDATE),
            lanes AS (UPDATE platform.job_lanes l SET tag = l.tag - far.tag FROM far WHERE l.name = far.name),
            jobs AS (UPDATE jobs.job j SET priority = least(0, j.priority + far.tag) FROM far
                      WHERE j.name = far.name AND j.state < 'active')
       UPDATE platform.job_clocks c SET tag = 0 FROM far WHERE c.name = far.name`,
      [REBASE_AT],
    );
  }
}
