import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { type Lease, LeaseLost } from './provisioning.fence.js';
import { type ProvisioningRequest, STEP_NAMES, type StepName } from './provisioning.step.js';

export const PROVISIONING_CHANNEL = 'tenantry_provisioning';

/** A tenant taken for work. */
export interface ClaimedProvisioning extends Lease {
  state: 'running' | 'undoing';
  attempts: number;
}

/** A step as an admin sees it. */
export interface StepState {
  name: StepName;
  state: 'pending' | 'running' | 'done' | 'failed';
  attempts: number;
  started_at: Date | null;
  finished_at: Date | null;
  error: string | null;
}

export interface ProvisioningState {
  state: 'running' | 'done' | 'failed' | 'undoing';
  attempts: number;
  error: string | null;
  next_attempt_at: Date;
  steps: StepState[];
}

type Queries = Pick<EntityManager, 'query'>;

/** Changes a step `s` while the lease holds, with the row of the provisioning locked. $1 tenant, $2 lease, $3 step */
const onStep = (change: string): string =>
  `WITH held AS (SELECT tenant_id FROM provisionings WHERE tenant_id = $1 AND lease = $2 FOR UPDATE)
   UPDATE provisioning_steps s SET ${change} FROM held WHERE s.tenant_id = held.tenant_id AND s.name = $3`;
/** Changes the provisioning and gives the lease back. $1 tenant, $2 lease */
const onRelease = (change: string): string =>
  `UPDATE provisionings SET lease = NULL, ${change} WHERE tenant_id = $1 AND lease = $2`;

const STARTED =
  onStep(`state = 'running', attempts = s.attempts + 1, started_at = clock_timestamp(), finished_at = NULL,
  error = NULL`);
const DONE = onStep(`state = 'done', finished_at = clock_timestamp()`);
const FAILED = onStep(`state = 'failed', finished_at = clock_timestamp(), error = $4`);
const POSTPONE = onRelease(`error = $3, next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond'`);
const HAND_OVER = onRelease('attempts = greatest(attempts - 1, 0), next_attempt_at = now()');
const FORGET_PASSWORD = `UPDATE provisionings SET request = $3 WHERE tenant_id = $1 AND lease = $2
   AND state IN ('running', 'undoing')`;
const FINISH = onRelease(`state = $3, error = $4, finished_at = clock_timestamp(),
  request = CASE WHEN $3 = 'done' THEN NULL ELSE request END`);

/** Keeps what is being provisioned, and how far it is. What a worker notes is noted under its lease, or not at all. */
@Injectable()
export class ProvisioningStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /** Writes the plan of work, in the transaction that makes the tenant. */
  async begin(manager: EntityManager, tenantId: string, request: ProvisioningRequest): Promise<void> {
    const sealed = seal(this.key(), JSON.stringify(request), tenantId);
    await manager.query(
      `WITH made AS (INSERT INTO provisionings (tenant_id, request) VALUES ($1, $2) RETURNING tenant_id)
       INSERT INTO provisioning_steps (tenant_id, position, name)
       SELECT made.tenant_id, step.position, step.name FROM made,
              unnest($3::text[]) WITH ORDINALITY AS step (name, position)`,
      [tenantId, sealed, STEP_NAMES],
    );
    await this.call(manager);
  }

  /** Begins anew for a tenant that is there, after `delayMs`: by then every process has heard that it is out of service. */
  async restart(
    manager: EntityManager,
    tenantId: string,
    request: ProvisioningRequest,
    delayMs: number,
  ): Promise<void> {
    await manager.query('DELETE FROM provisionings WHERE tenant_id = $1', [tenantId]);
    await this.begin(manager, tenantId, request);
    await manager.query(
      `UPDATE provisionings SET next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE tenant_id = $1`,
      [tenantId, delayMs],
    );
  }

  /** Takes due work for `leaseMs`; what another process is taking is passed over. */
  async claim(rows: number, leaseMs: number): Promise<ClaimedProvisioning[]> {
    const [claimed] = await this.platform.query<[ClaimedProvisioning[], number]>(
      `UPDATE provisionings p SET attempts = p.attempts + 1, lease = nextval('provisioning_leases'), next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
         FROM (SELECT tenant_id FROM provisionings
                WHERE state IN ('running', 'undoing') AND next_attempt_at <= now()
                ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
        WHERE p.tenant_id = due.tenant_id
       RETURNING p.tenant_id AS "tenantId", p.state, p.attempts, p.lease`,
      [rows, leaseMs],
    );
    return claimed;
  }

  /** @returns whether the claim still holds */
  async renew({ tenantId, lease }: Lease, leaseMs: number): Promise<boolean> {
    const [, renewed] = await this.platform.query<[unknown[], number]>(
      `UPDATE provisionings SET next_attempt_at = clock_timestamp() + $3 * interval '1 millisecond'
        WHERE tenant_id = $1 AND lease = $2 AND state IN ('running', 'undoing')`,
      [tenantId, lease, leaseMs],
    );
    return renewed === 1;
  }

  /** @throws Error when MASTER_KEY is another than the one it was sealed under */
  async requestOf(tenantId: string): Promise<ProvisioningRequest> {
    const rows = await this.platform.query<{ request: Buffer | null }[]>(
      'SELECT request FROM provisionings WHERE tenant_id = $1',
      [tenantId],
    );
    const sealed = rows[0]?.request;
    if (!sealed) return { settings: {} };
    return JSON.parse(unseal(this.key(), sealed, tenantId).toString('utf8')) as ProvisioningRequest;
  }

  /** The first step that is not done. */
  async nextStep(tenantId: string): Promise<StepName | undefined> {
    const rows = await this.platform.query<{ name: StepName }[]>(
      `SELECT name FROM provisioning_steps WHERE tenant_id = $1 AND state <> 'done' ORDER BY position LIMIT 1`,
      [tenantId],
    );
    return rows[0]?.name;
  }

  /** @throws LeaseLost */
  async stepStarted(lease: Lease, name: StepName): Promise<void> {
    await note(this.platform, STARTED, lease, name);
  }

  /** @throws LeaseLost */
  async stepDone(lease: Lease, name: StepName, queries: Queries = this.platform): Promise<void> {
    await note(queries, DONE, lease, name);
  }

  /** @throws LeaseLost */
  async stepFailed(lease: Lease, name: StepName, error: string): Promise<void> {
    await note(this.platform, FAILED, lease, name, error);
  }

  /**
   * Lets the tenant go, to be taken again after `retryMs`.
   *
   * @throws LeaseLost
   */
  async postpone(lease: Lease, error: string, retryMs: number): Promise<void> {
    await note(this.platform, POSTPONE, lease, error, retryMs);
  }

  /** Lets the tenant go as it is, for whoever is next: the attempt does not count. @throws LeaseLost */
  async handOver(lease: Lease): Promise<void> {
    await note(this.platform, HAND_OVER, lease);
  }

  /** The end of the work. A finished request is forgotten: it may hold a mail address. @throws LeaseLost */
  async finish(manager: EntityManager, lease: Lease, state: 'done' | 'failed', error?: string): Promise<void> {
    await note(manager, FINISH, lease, state, error ?? null);
  }

  /** Forgets the password's hash once its owner is there; what comes after needs the rest only. @throws LeaseLost */
  async forgetPassword(lease: Lease, request: ProvisioningRequest): Promise<void> {
    if (request.owner?.passwordHash === undefined) return;
    const { passwordHash: _, ...owner } = request.owner;
    const sealed = seal(this.key(), JSON.stringify({ ...request, owner }), lease.tenantId);
    await note(this.platform, FORGET_PASSWORD, lease, sealed);
  }

  /**
   * Has failed work begun again, or undone: then nothing of what was asked for is needed any more. Whoever worked on it
   * before has lost it.
   */
  async again(manager: EntityManager, tenantId: string, state: 'running' | 'undoing'): Promise<void> {
    await manager.query(
      `UPDATE provisionings SET state = $2, attempts = 0, lease = NULL, error = NULL, finished_at = NULL,
              next_attempt_at = now(), request = CASE WHEN $2 = 'undoing' THEN NULL ELSE request END
        WHERE tenant_id = $1`,
      [tenantId, state],
    );
    await this.call(manager);
  }

  /** How the last provisioning or reset of the tenant stands. */
  async outcomeOf(manager: EntityManager, tenantId: string): Promise<ProvisioningState['state'] | undefined> {
    const rows = await manager.query<Pick<ProvisioningState, 'state'>[]>(
      'SELECT state FROM provisionings WHERE tenant_id = $1',
      [tenantId],
    );
    return rows[0]?.state;
  }

  /** @param queries inside a transaction its manager: a second connection would be waited for while one is held */
  async stateOf(tenantId: string, queries: Queries = this.platform): Promise<ProvisioningState | undefined> {
    const rows = await queries.query<Omit<ProvisioningState, 'steps'>[]>(
      'SELECT state, attempts, error, next_attempt_at FROM provisionings WHERE tenant_id = $1',
      [tenantId],
    );
    const steps = await queries.query<StepState[]>(
      `SELECT name, state, attempts, started_at, finished_at, error FROM provisioning_steps WHERE tenant_id = $1
        ORDER BY position`,
      [tenantId],
    );
    return rows[0] && { ...rows[0], steps };
  }

  /** Tells the workers of every process, when the transaction commits. */
  private async call(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_notify($1, '')`, [PROVISIONING_CHANNEL]);
  }

  private key(): Buffer {
    return this.database.keys.derive('provisioning');
  }
}

/** Notes something under a lease. @throws LeaseLost */
async function note(queries: Queries, sql: string, { tenantId, lease }: Lease, ...values: unknown[]): Promise<void> {
  const [, noted] = await queries.query<[unknown[], number]>(sql, [tenantId, lease, ...values]);
  if (noted === 0) throw new LeaseLost();
}
