import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import {
  type Act,
  ACTS,
  due,
  dropStale,
  MAILED_KINDS,
  planNotices,
  RULES,
  SCHEDULE,
  stillDue,
} from './retirement.rules.js';

/** A notice taken for sending. */
export interface ClaimedNotice {
  id: string;
  tenantId: string;
  act: Exclude<Act, 'roll-back'> | 'suspended';
  days: number;
  /** When the act is due, or comes at the earliest if that is later. */
  at: Date;
}

/** What the rules will do to a tenant. */
export interface ScheduledAct {
  act: Act;
  /** At the earliest. */
  at: Date;
  /** Days before on which the owners are told; empty when nobody is. */
  notices: readonly number[];
  /** Those of them that are out. */
  sent: number[];
}

const STALE_SUSPENDED = `DELETE FROM tenant_notices n USING tenants t
  WHERE n.sent_at IS NULL AND n.act = 'suspended' AND t.id = n.tenant_id AND t.status <> 'suspended'`;
const ADD_SUSPENDED = `INSERT INTO tenant_notices (id, tenant_id, act, days, due_on)
  VALUES (gen_random_uuid(), $1, 'suspended', 0, $2::timestamptz) ON CONFLICT ON CONSTRAINT tenant_notices_key DO NOTHING`;
/** Those that failed come last, so that they do not keep the others waiting. */
const CLAIM = `UPDATE tenant_notices n
    SET attempts = n.attempts + 1, next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
   FROM (SELECT id FROM tenant_notices WHERE sent_at IS NULL AND next_attempt_at <= now()
          ORDER BY next_attempt_at, due_on LIMIT $1 FOR UPDATE SKIP LOCKED) waiting
  WHERE n.id = waiting.id
  RETURNING n.id, n.tenant_id AS "tenantId", n.act, n.days, CASE WHEN n.act = ANY ($3)
    THEN greatest(n.due_on, clock_timestamp() + n.days * interval '24 hours') ELSE n.due_on END AS at`;
const SENT = 'UPDATE tenant_notices SET sent_at = clock_timestamp() WHERE id = $1 AND sent_at IS NULL';

const WAITING_ACTS = ACTS.filter((act) => RULES[act].waits);

/** What the rules say, asked of all tenants at once; and the notices that were planned and sent. */
@Injectable()
export class RetirementStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /** @param most to be planned of each step */
  async plan(act: Act, most: number): Promise<void> {
    for (const step of RULES[act].notices) await this.platform.query(planNotices(act, step), [MAILED_KINDS, most]);
  }

  /** Tenants that the act is due for, the longest first. */
  async due(act: Act, most: number): Promise<string[]> {
    const rows = await this.platform.query<{ tenant_id: string }[]>(due(act), [MAILED_KINDS, most]);
    return rows.map((row) => row.tenant_id);
  }

  /**
   * Asks again with the tenant's row locked by the caller's transaction.
   *
   * @returns since when it is due, as the database writes it: to the µs, which a Date does not hold
   */
  async stillDue(manager: EntityManager, act: Act, tenantId: string): Promise<string | undefined> {
    const rows = await manager.query<{ due_on: string }[]>(stillDue(act), [MAILED_KINDS, tenantId]);
    return rows[0]?.due_on;
  }

  /** Plans to tell the owners that their trial has ended. @param since of `stillDue` */
  async addSuspended(manager: EntityManager, tenantId: string, since: string): Promise<void> {
    await manager.query(ADD_SUSPENDED, [tenantId, since]);
  }

  async dropStale(): Promise<void> {
    for (const act of ACTS) await this.platform.query(dropStale(act));
    await this.platform.query(STALE_SUSPENDED);
  }

  /** Takes notices that wait, each for `leaseMs`; what another process is taking is passed over. */
  async claim(most: number, leaseMs: number): Promise<ClaimedNotice[]> {
    const [rows] = await this.platform.query<[ClaimedNotice[], number]>(CLAIM, [most, leaseMs, WAITING_ACTS]);
    return rows;
  }

  async sent(id: string): Promise<void> {
    await this.platform.query(SENT, [id]);
  }

  async scheduleOf(tenantId: string): Promise<ScheduledAct[]> {
    const rows = await this.platform.query<{ act: Act; at: Date; told: boolean; sent: number[] }[]>(SCHEDULE, [
      tenantId,
      MAILED_KINDS,
    ]);
    return rows.map(({ act, at, told, sent }) => ({ act, at, sent, notices: told ? RULES[act].notices : [] }));
  }

  async forget(manager: EntityManager, tenantId: string): Promise<void> {
    await manager.query('DELETE FROM tenant_notices WHERE tenant_id = $1', [tenantId]);
  }
}
