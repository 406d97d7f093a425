import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import type { Backup, HeldBackup } from './backup.js';
import { BackupLost } from './backup.errors.js';

/** How long a process that says nothing keeps a backup for itself, in ms. */
export const HOLD_MS = 30_000;

const COLUMNS = `id, tenant_id AS "tenantId", state, scheduled, migration, tenant_rows::float8 AS rows, bytes::float8 AS bytes,
  sha256, error, made_at AS "madeAt", created_at AS "createdAt", finished_at AS "finishedAt"`;
const UNDER_WAY = `state IN ('waiting', 'running')`;
const ADD = `INSERT INTO backups (id, tenant_id, scheduled) VALUES ($1, $2, $3)
  ON CONFLICT (tenant_id) WHERE ${UNDER_WAY} DO NOTHING RETURNING ${COLUMNS}`;
const PRESENT = `SELECT ${COLUMNS} FROM backups WHERE tenant_id = $1 AND ${UNDER_WAY}`;
const CLAIM = `UPDATE backups SET state = 'running', lease = nextval('backup_leases'),
    held_until = clock_timestamp() + $2 * interval '1 millisecond'
  WHERE id = $1 AND ${UNDER_WAY} AND (held_until IS NULL OR held_until < clock_timestamp())
  RETURNING ${COLUMNS}, lease::text AS lease`;
const RENEW = `UPDATE backups SET held_until = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING 1`;
const RELEASE = `UPDATE backups SET held_until = NULL WHERE id = $1 AND lease = $2 AND state = 'running'`;
const FINISH = `UPDATE backups SET state = $3, migration = $4, tenant_rows = $5, bytes = $6, sha256 = $7, made_at = $8, error = $9,
    finished_at = clock_timestamp(), held_until = NULL
  WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING ${COLUMNS}`;
const OF_TENANT = `SELECT ${COLUMNS} FROM backups WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $2`;
const LATEST = `SELECT ${COLUMNS} FROM backups WHERE ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $1`;
const BY_ID = `SELECT ${COLUMNS} FROM backups WHERE id = $1`;
/**
 * A tenant's last good one stays as long as the tenant does. Where a history is kept, those of its days do, and of older ones
 * the newest: with that begins whoever goes back to the first of the days.
 */
const OLD = `SELECT ${COLUMNS} FROM backups b WHERE state IN ('done', 'failed') AND created_at < now() - $1 * interval '1 day'
    AND (state = 'failed' OR EXISTS (SELECT 1 FROM backups n WHERE n.tenant_id = b.tenant_id AND n.state = 'done' AND n.id > b.id))
    AND (state = 'failed' OR NOT EXISTS (SELECT 1 FROM histories h WHERE h.tenant_id = b.tenant_id
           AND NOT EXISTS (SELECT 1 FROM backups n WHERE n.tenant_id = b.tenant_id AND n.state = 'done' AND n.id > b.id
                              AND n.made_at <= now() - h.days * interval '1 day')))
  ORDER BY id LIMIT 1000`;
const GIVE_UP = `UPDATE backups SET state = 'failed', error = 'interrupted', held_until = NULL, finished_at = clock_timestamp()
  WHERE ${UNDER_WAY} AND coalesce(held_until, created_at) < clock_timestamp() - interval '1 day'`;
const FORGET = 'DELETE FROM backups WHERE id = $1';
const FORGET_ALL = `WITH gone AS (DELETE FROM backups WHERE tenant_id = $1 RETURNING 1) SELECT count(*)::int AS n FROM gone`;
/** Those that can be exported, a page at a time. */
const TENANTS = `SELECT id FROM tenants WHERE status IN ('active', 'suspended', 'archived') AND id > $1 ORDER BY id LIMIT $2`;
const LIVES = `SELECT 1 FROM tenants WHERE id = $1 AND status <> 'deleted'`;

export interface BackupEnd {
  state: 'done' | 'failed';
  migration?: string;
  rows?: number;
  bytes?: number;
  sha256?: string;
  madeAt?: string;
  error?: string;
}

/** The registry of backups. What a process notes is noted while it holds the backup, or not at all. */
@Injectable()
export class BackupStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /** Of two that are asked for at once there is one. @returns that, and whether it is new */
  async begin(tenantId: string, scheduled: boolean): Promise<{ backup: Backup; begun: boolean }> {
    for (;;) {
      const [added] = await this.platform.query<Backup[]>(ADD, [newId(), tenantId, scheduled]);
      if (added) return { backup: added, begun: true };
      const [present] = await this.platform.query<Backup[]>(PRESENT, [tenantId]);
      if (present) return { backup: present, begun: false };
    }
  }

  /** @returns undefined when it is made, or another process makes it */
  async claim(id: string): Promise<HeldBackup | undefined> {
    const [[held]] = await this.platform.query<[HeldBackup[]]>(CLAIM, [id, HOLD_MS]);
    return held;
  }

  async renew({ id, lease }: HeldBackup): Promise<boolean> {
    const [renewed] = await this.platform.query<[unknown[]]>(RENEW, [id, lease, HOLD_MS]);
    return renewed.length > 0;
  }

  /** For whoever takes it up next. */
  async release({ id, lease }: HeldBackup): Promise<void> {
    await this.platform.query(RELEASE, [id, lease]);
  }

  /** @param seal done in the same transaction, under the lock of the row @throws BackupLost */
  finish(held: HeldBackup, end: BackupEnd, seal: () => Promise<void> = () => Promise.resolve()): Promise<Backup> {
    return this.platform.transaction(async (manager) => {
      const { state, migration, rows, bytes, sha256, madeAt, error } = end;
      const values = [held.id, held.lease, state, migration, rows, bytes, sha256, madeAt, error];
      const [[ended]] = await manager.query<[Backup[]]>(FINISH, values);
      if (!ended) throw new BackupLost();
      await seal();
      return ended;
    });
  }

  /** Newest first. @param tenantId undefined: of all @param before an id */
  list(tenantId: string | undefined, limit: number, before?: string): Promise<Backup[]> {
    if (tenantId === undefined) return this.platform.query<Backup[]>(LATEST, [limit, before]);
    return this.platform.query<Backup[]>(OF_TENANT, [tenantId, limit, before]);
  }

  async find(id: string): Promise<Backup | undefined> {
    const [found] = await this.platform.query<Backup[]>(BY_ID, [id]);
    return found;
  }

  /** Those that are past their time, some of them. @param keep days */
  old(keep: number): Promise<Backup[]> {
    return this.platform.query<Backup[]>(OLD, [keep]);
  }

  /** Nobody comes any more for what has stood still for a day. */
  async giveUp(): Promise<void> {
    await this.platform.query(GIVE_UP);
  }

  async forget(id: string): Promise<void> {
    await this.platform.query(FORGET, [id]);
  }

  async forgetAll(manager: EntityManager, tenantId: string): Promise<number> {
    const [row] = await manager.query<{ n: number }[]>(FORGET_ALL, [tenantId]);
    return row?.n ?? 0;
  }

  async tenantsAfter(id: string, limit: number): Promise<string[]> {
    return (await this.platform.query<{ id: string }[]>(TENANTS, [id, limit])).map((row) => row.id);
  }

  async lives(manager: EntityManager, tenantId: string): Promise<boolean> {
    return (await manager.query<unknown[]>(LIVES, [tenantId])).length > 0;
  }
}
