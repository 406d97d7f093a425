import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../audit/index.js';
import { CursorInvalid, isUuid, type Page, seal, unseal } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { JobNotFound, JobStateConflict } from './job.errors.js';
import { JobRegistry } from './job.registry.js';

/** In our words, and in the engine's. */
export const JOB_STATES = {
  queued: 'created',
  retrying: 'retry',
  running: 'active',
  done: 'completed',
  dead: 'failed',
} as const;
export type JobState = keyof typeof JOB_STATES;

export interface JobFilter {
  state?: JobState;
  name?: string;
  tenantId?: string;
}

/** A job without its payload, which nobody sees. */
export interface AdminJob {
  id: string;
  name: string;
  tenantId: string | null;
  state: JobState;
  attempts: number;
  maxAttempts: number;
  createdAt: Date;
  /** When it is due, for one that waits. */
  dueAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  lastError: string | null;
}

const COLUMNS = `id, name, group_id AS "tenantId", state::text AS engine_state,
  retry_count + CASE WHEN started_on IS NULL THEN 0 ELSE 1 END AS attempts, retry_limit + 1 AS "maxAttempts",
  created_on AS "createdAt", start_after AS "dueAt", started_on AS "startedAt", completed_on AS "endedAt",
  CASE WHEN output IS NOT NULL AND state <> 'completed'
       THEN coalesce(output->>'reason', 'the worker was lost or took too long') END AS "lastError",
  (extract(epoch FROM created_on) * 1000000)::bigint::text AS position`;

const LIST = `SELECT ${COLUMNS} FROM jobs.job
  WHERE name = ANY ($1) AND ($2::text IS NULL OR state = $2::jobs.job_state) AND ($3::text IS NULL OR name = $3)
    AND ($4::text IS NULL OR group_id = $4) AND state <> 'cancelled'
    AND ($5::bigint IS NULL OR (created_on, id) < (timestamptz 'epoch' + $5 * interval '1 microsecond', $6::uuid))
  ORDER BY created_on DESC, id DESC LIMIT $7`;
const ONE = `SELECT ${COLUMNS} FROM jobs.job WHERE name = ANY ($1) AND id = $2 AND state <> 'cancelled'`;
const ONE_LOCKED = `${ONE} FOR UPDATE`;

type Row = Omit<AdminJob, 'state'> & { engine_state: string; position: string };

/** What platform admins see and do of jobs. */
@Injectable()
export class JobAdministration {
  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly registry: JobRegistry,
    private readonly audit: PlatformAudit,
  ) {}

  /**
   * Newest first.
   *
   * @throws CursorInvalid
   */
  async list(filter: JobFilter, limit: number, cursor?: string): Promise<Page<AdminJob>> {
    const [position, id] = cursor === undefined ? [] : this.openCursor(cursor);
    const { state, name, tenantId } = filter;
    const values = [this.names(), state && JOB_STATES[state], name, tenantId, position, id, limit + 1];
    const rows = await this.platform.query<Row[]>(LIST, values);
    const last = rows[limit - 1];
    return {
      items: rows.slice(0, limit).map(jobOf),
      next_cursor: rows.length > limit && last ? this.sealCursor(`${last.position}.${last.id}`) : null,
    };
  }

  /** @throws JobNotFound */
  async find(id: string): Promise<AdminJob> {
    return jobOf(await this.row(this.platform.manager, id));
  }

  /**
   * Runs a dead job again, with all its attempts.
   *
   * @throws JobNotFound
   * @throws JobStateConflict when it is not dead
   */
  async retry(id: string): Promise<AdminJob> {
    return this.change(id, 'job.retried', async (manager, row) => {
      if (row.state !== 'dead') throw new JobStateConflict(row.state, 'only dead jobs are retried');
      await manager.query(
        `UPDATE jobs.job SET state = 'created', retry_count = 0, started_on = NULL, completed_on = NULL,
                start_after = now(), keep_until = now() + (keep_until - created_on)
          WHERE name = $1 AND id = $2 AND state = 'failed'`,
        [row.name, id],
      );
    });
  }

  /**
   * @throws JobNotFound
   * @throws JobStateConflict when it is running
   */
  async remove(id: string): Promise<void> {
    await this.change(id, 'job.deleted', async (manager, row) => {
      if (row.state === 'running') throw new JobStateConflict(row.state, 'it can be deleted once it is not');
      await manager.query(`DELETE FROM jobs.job WHERE name = $1 AND id = $2 AND state <> 'active'`, [row.name, id]);
    });
  }

  /** In one transaction with its record. */
  private async change(
    id: string,
    event: string,
    work: (manager: EntityManager, job: AdminJob) => Promise<void>,
  ): Promise<AdminJob> {
    return this.platform.transaction(async (manager) => {
      const job = jobOf(await this.row(manager, id, true));
      await work(manager, job);
      await this.audit.record(manager, {
        event,
        target: { kind: 'job', id },
        details: { name: job.name, state: job.state, attempts: job.attempts },
        ...(job.tenantId !== null && { tenantId: job.tenantId }),
      });
      return event === 'job.deleted' ? job : jobOf(await this.row(manager, id));
    });
  }

  private async row(manager: EntityManager, id: string, lock = false): Promise<Row> {
    if (!isUuid(id)) throw new JobNotFound();
    const rows = await manager.query<Row[]>(lock ? ONE_LOCKED : ONE, [this.names(), id]);
    if (!rows[0]) throw new JobNotFound();
    return rows[0];
  }

  private names(): string[] {
    return this.registry.all().map(({ name }) => name);
  }

  private sealCursor(position: string): string {
    return seal(this.database.keys.derive('job-cursor'), position).toString('base64url');
  }

  private openCursor(cursor: string): string[] {
    try {
      const opened = unseal(this.database.keys.derive('job-cursor'), Buffer.from(cursor, 'base64url'));
      return opened.toString().split('.');
    } catch {
      throw new CursorInvalid();
    }
  }
}

function jobOf({ engine_state, position: _, ...row }: Row): AdminJob {
  const states = Object.entries(JOB_STATES) as [JobState, string][];
  return { ...row, state: states.find(([, engine]) => engine === engine_state)![0] };
}
