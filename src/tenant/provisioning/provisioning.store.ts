import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { type ProvisioningRequest, STEP_NAMES, type StepName } from './provisioning.step.js';

export const PROVISIONING_CHANNEL = 'tenantry_provisioning';

/** A tenant taken for work. `attempts` fences it: whoever takes it next has another number. */
export interface ClaimedProvisioning {
  tenantId: string;
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

/** Keeps what is being provisioned, and how far it is. */
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
      `UPDATE provisionings p SET attempts = p.attempts + 1, next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
         FROM (SELECT tenant_id FROM provisionings
                WHERE state IN ('running', 'undoing') AND next_attempt_at <= now()
                ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
        WHERE p.tenant_id = due.tenant_id
       RETURNING p.tenant_id AS "tenantId", p.state, p.attempts`,
      [rows, leaseMs],
    );
    return claimed;
  }

  /** @returns whether the claim still holds */
  async renew({ tenantId, attempts }: ClaimedProvisioning, leaseMs: number): Promise<boolean> {
    const [, renewed] = await this.platform.query<[unknown[], number]>(
      `UPDATE provisionings SET next_attempt_at = clock_timestamp() + $3 * interval '1 millisecond'
        WHERE tenant_id = $1 AND attempts = $2 AND state IN ('running', 'undoing')`,
      [tenantId, attempts, leaseMs],
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

  async stepStarted(tenantId: string, name: StepName): Promise<void> {
    await this.platform.query(
      `UPDATE provisioning_steps SET state = 'running', attempts = attempts + 1, started_at = clock_timestamp(),
              finished_at = NULL, error = NULL WHERE tenant_id = $1 AND name = $2`,
      [tenantId, name],
    );
  }

  async stepDone(tenantId: string, name: StepName, queries: Queries = this.platform): Promise<void> {
    await queries.query(
      `UPDATE provisioning_steps SET state = 'done', finished_at = clock_timestamp() WHERE tenant_id = $1 AND name = $2`,
      [tenantId, name],
    );
  }

  async stepFailed(tenantId: string, name: StepName, error: string): Promise<void> {
    await this.platform.query(
      `UPDATE provisioning_steps SET state = 'failed', finished_at = clock_timestamp(), error = $3
        WHERE tenant_id = $1 AND name = $2`,
      [tenantId, name, error],
    );
  }

  async postpone({ tenantId, attempts }: ClaimedProvisioning, error: string, retryMs: number): Promise<void> {
    await this.platform.query(
      `UPDATE provisionings SET error = $3, next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond'
        WHERE tenant_id = $1 AND attempts = $2`,
      [tenantId, attempts, error, retryMs],
    );
  }

  /** Forgets the password's hash once its owner is there; what comes after needs the rest only. */
  async forgetPassword(tenantId: string, request: ProvisioningRequest): Promise<void> {
    if (request.owner?.passwordHash === undefined) return;
    const { passwordHash: _, ...owner } = request.owner;
    const sealed = seal(this.key(), JSON.stringify({ ...request, owner }), tenantId);
    await this.platform.query('UPDATE provisionings SET request = $2 WHERE tenant_id = $1 AND request IS NOT NULL', [
      tenantId,
      sealed,
    ]);
  }

  /** The end of the work. A finished request is forgotten: it may hold a mail address. */
  async finish(manager: EntityManager, tenantId: string, state: 'done' | 'failed', error?: string): Promise<void> {
    await manager.query(
      `UPDATE provisionings SET state = $2, error = $3, finished_at = clock_timestamp(),
              request = CASE WHEN $2 = 'done' THEN NULL ELSE request END WHERE tenant_id = $1`,
      [tenantId, state, error ?? null],
    );
  }

  /** Has failed work begun again, or undone: then nothing of what was asked for is needed any more. */
  async again(manager: EntityManager, tenantId: string, state: 'running' | 'undoing'): Promise<void> {
    await manager.query(
      `UPDATE provisionings SET state = $2, attempts = 0, error = NULL, finished_at = NULL, next_attempt_at = now(),
              request = CASE WHEN $2 = 'undoing' THEN NULL ELSE request END WHERE tenant_id = $1`,
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
