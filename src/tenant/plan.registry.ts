import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../audit/index.js';
import { afterCommit, ChangeFeed } from '../changes/index.js';
import { AppError, RevisionMismatch } from '../common/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { type Plan, PLANS } from './plans.js';
import { PLANS_CHANNEL } from './postgres-plan.reserves.js';

/** What a plan says of the life of its tenants, and keeps for them. */
export interface PlanRules {
  /** How long a trial lasts. */
  trial_days: number;
  /** A tenant suspended for longer is archived; null: never by itself. */
  archive_after_days: number | null;
  /** A tenant archived for longer is erased; null: never by itself. */
  purge_after_days: number | null;
  /** A tenant whose provisioning failed longer ago is taken back. */
  roll_back_after_days: number;
  /** Database connections that each process keeps for its tenants, of those to one server's shared tables and of all others. */
  reserved_connections: number;
  /** Places that each process keeps for its tenants, among the events and among the jobs of each name worked at once. */
  reserved_workers: number;
}

export interface PlanRecord extends PlanRules {
  name: Plan;
  revision: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

const COLUMNS = `name, trial_days, archive_after_days, purge_after_days, roll_back_after_days,
  reserved_connections, reserved_workers, revision`;
const ALL = `SELECT ${COLUMNS} FROM plans ORDER BY position`;
const LOCK = `SELECT ${COLUMNS} FROM plans WHERE name = $1 FOR UPDATE`;
const UPDATE = `UPDATE plans SET trial_days = $2, archive_after_days = $3, purge_after_days = $4,
    roll_back_after_days = $5, reserved_connections = $6, reserved_workers = $7, revision = revision + 1, updated_at = now() WHERE name = $1 RETURNING ${COLUMNS}`;

/** Inside a transaction its manager: a second connection would be waited for while one is held. */
type Queries = Pick<EntityManager, 'query'>;

/** The plans that tenants can have. */
@Injectable()
export class PlanRegistry {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly audit: PlatformAudit,
    private readonly feed: ChangeFeed,
  ) {}

  list(queries: Queries = this.platform): Promise<PlanRecord[]> {
    return queries.query<PlanRecord[]>(ALL);
  }

  /** @throws UnknownPlan */
  async find(name: string, queries: Queries = this.platform): Promise<PlanRecord> {
    const plan = (await this.list(queries)).find((candidate) => candidate.name === name);
    if (!plan) throw new UnknownPlan();
    return plan;
  }

  /** When a trial that begins now ends. @throws UnknownPlan */
  async trialEnd(name: string, queries: Queries = this.platform): Promise<Date> {
    const { trial_days: days } = await this.find(name, queries);
    return new Date(Date.now() + days * DAY_MS);
  }

  /**
   * @param revision as the client last saw it; undefined: whatever it is
   * @throws UnknownPlan, RevisionMismatch
   */
  async edit(name: string, rules: Partial<PlanRules>, revision: number | undefined): Promise<PlanRecord> {
    return this.platform.transaction(async (manager) => {
      const [before] = await manager.query<PlanRecord[]>(LOCK, [name]);
      if (!before) throw new UnknownPlan();
      if (revision !== undefined && revision !== before.revision) throw new RevisionMismatch();
      const next = { ...before, ...rules };
      const [[after]] = await manager.query<[[PlanRecord], number]>(UPDATE, [
        name,
        next.trial_days,
        next.archive_after_days,
        next.purge_after_days,
        next.roll_back_after_days,
        next.reserved_connections,
        next.reserved_workers,
      ]);
      await this.audit.record(manager, { event: 'plan.edited', target: { kind: 'plan', id: name }, before, after });
      await manager.query('SELECT pg_notify($1, $2)', [PLANS_CHANNEL, '']);
      afterCommit(manager, () => this.feed.emit(PLANS_CHANNEL, undefined));
      return after;
    });
  }
}

export class UnknownPlan extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'plan_unknown',
      detail: 'There is no such plan.',
      remedy: `The plans are ${PLANS.join(', ')}.`,
    });
  }
}
