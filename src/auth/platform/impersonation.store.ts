import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId, type Page } from '../../common/index.js';
import { InjectPlatformDataSource, PlatformCursors } from '../../tenancy/index.js';
import { IMPERSONATIONS_CHANNEL } from './impersonations.js';

export const IMPERSONATION_STATES = ['pending', 'active', 'refused', 'ended', 'expired'] as const;
/** As stored, and `expired` for one that ran out or was never decided on. */
export type ImpersonationState = (typeof IMPERSONATION_STATES)[number];

export interface ImpersonationRow {
  id: string;
  admin_id: string;
  admin_name: string;
  tenant_id: string;
  /** Slug. */
  tenant: string;
  user_id: string;
  reason: string;
  status: ImpersonationState;
  minutes: number;
  created_at: Date;
  decided_by: string | null;
  started_at: Date | null;
  expires_at: Date | null;
}

// A question that nobody answered for a day is not asked any more.
const SELECT = `SELECT i.id, i.admin_id, a.name AS admin_name, i.tenant_id, t.slug AS tenant, i.user_id, i.reason,
  CASE WHEN i.status = 'active' AND i.expires_at <= now() THEN 'expired'
       WHEN i.status = 'pending' AND i.created_at <= now() - interval '24 hours' THEN 'expired'
       ELSE i.status END AS status,
  i.minutes, i.created_at, i.decided_by, i.started_at, i.expires_at
  FROM impersonations i JOIN platform_admins a ON a.id = i.admin_id JOIN tenants t ON t.id = i.tenant_id`;
const SQL = {
  byId: `${SELECT} WHERE i.id = $1`,
  locked: `${SELECT} WHERE i.id = $1 FOR UPDATE OF i`,
  openOf: `${SELECT} WHERE i.admin_id = $1 AND i.status IN ('pending', 'active')`,
  ofUser: `${SELECT} WHERE i.tenant_id = $1 AND i.user_id = $2 ORDER BY i.id`,
  page: `${SELECT} WHERE ($1::uuid IS NULL OR i.tenant_id = $1) AND ($2::uuid IS NULL OR i.id < $2)
    ORDER BY i.id DESC LIMIT $3`,
};
/** What cursors are sealed with. */
const LIST = 'impersonations';

/** The control plane's rows of impersonations. */
@Injectable()
export class ImpersonationStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly cursors: PlatformCursors,
  ) {}

  transaction<T>(fn: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.platform.transaction(fn);
  }

  /** @returns its id */
  async insert(
    row: Pick<ImpersonationRow, 'admin_id' | 'tenant_id' | 'user_id' | 'reason' | 'minutes'>,
    manager: EntityManager,
  ): Promise<string> {
    const id = newId();
    await manager.query(
      `INSERT INTO impersonations (id, admin_id, tenant_id, user_id, reason, minutes, status)
       VALUES ($1, $2, $3, $4, $5, $6, 'pending')`,
      [id, row.admin_id, row.tenant_id, row.user_id, row.reason, row.minutes],
    );
    return id;
  }

  async byId(id: string): Promise<ImpersonationRow | undefined> {
    return (await this.platform.query<ImpersonationRow[]>(SQL.byId, [id]))[0];
  }

  /** Keeps others from changing the row until the transaction ends. */
  async locked(id: string, manager: EntityManager): Promise<ImpersonationRow | undefined> {
    return (await manager.query<ImpersonationRow[]>(SQL.locked, [id]))[0];
  }

  openOf(adminId: string): Promise<ImpersonationRow[]> {
    return this.platform.query<ImpersonationRow[]>(SQL.openOf, [adminId]);
  }

  /** Starts its minutes. @param decidedBy the user who agreed */
  async activate(id: string, decidedBy: string | undefined, manager: EntityManager): Promise<void> {
    await manager.query(
      `UPDATE impersonations SET status = 'active', decided_by = $2, started_at = now(),
              expires_at = now() + minutes * interval '1 minute' WHERE id = $1`,
      [id, decidedBy],
    );
    await this.changed(id, manager);
  }

  async refuse(id: string, decidedBy: string, manager: EntityManager): Promise<void> {
    await manager.query(`UPDATE impersonations SET status = 'refused', decided_by = $2 WHERE id = $1`, [id, decidedBy]);
  }

  async end(id: string, manager: EntityManager): Promise<void> {
    await manager.query(`UPDATE impersonations SET status = 'ended' WHERE id = $1`, [id]);
    await this.changed(id, manager);
  }

  /**
   * Marks one that ran out, which no other process is marking.
   *
   * @param except ids to leave alone
   */
  async expireNext(except: string[], manager: EntityManager): Promise<ImpersonationRow | undefined> {
    const [rows] = await manager.query<[{ id: string }[], number]>(
      `UPDATE impersonations SET status = 'expired' WHERE id = (
         SELECT id FROM impersonations WHERE status = 'active' AND expires_at <= now() AND id <> ALL ($1::uuid[])
          ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id`,
      [except],
    );
    return rows[0] && this.locked(rows[0].id, manager);
  }

  /** Those in which somebody acted, or asked to act, as a user of a tenant, oldest first. */
  ofUser(tenantId: string, userId: string): Promise<ImpersonationRow[]> {
    return this.platform.query<ImpersonationRow[]>(SQL.ofUser, [tenantId, userId]);
  }

  /** Every process hears of it at the commit. @param id empty: any of them may have changed */
  async changed(id: string, manager: EntityManager): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [IMPERSONATIONS_CHANNEL, id]);
  }

  /** @param tenantId undefined: of all tenants, for the platform */
  async page(tenantId: string | undefined, limit: number, cursor: string | undefined): Promise<Page<ImpersonationRow>> {
    const before = this.cursors.open(LIST, cursor, tenantId);
    const rows = await this.platform.query<ImpersonationRow[]>(SQL.page, [tenantId, before, limit + 1]);
    return this.cursors.page(LIST, rows, limit, ({ id }) => id, tenantId);
  }
}
