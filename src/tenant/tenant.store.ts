import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { isUuid } from '../common/index.js';
import { InjectPlatformDataSource, SLUG, type TenantStatus } from '../tenancy/index.js';
import { UnknownTenant } from './tenant.errors.js';
import type { TenantRecord } from './tenant.record.js';

/** A record as one JSON document, so that every statement that answers with it names the columns once. */
const COLUMNS = `id, slug, name, plan, status, kind, placement, settings, revision, status_changed_at, suspended_reason,
  expires_at, source_tenant_id, holder_tenant_id, with_data, purge_after, created_at, updated_at`;

const BY_SLUG = `SELECT ${COLUMNS} FROM tenants WHERE slug = $1`;
const BY_ID = `SELECT ${COLUMNS} FROM tenants WHERE id = $1`;
const LOCK = `${BY_ID} FOR UPDATE`;
const UPDATE_STATUS = `UPDATE tenants SET status = $2, status_changed_at = now(), updated_at = now(),
    suspended_reason = $4, purge_after = NULL, expires_at = CASE WHEN $2 = 'deleted' OR ($5 AND expires_at <= now())
      THEN NULL ELSE expires_at END
  WHERE id = $1 AND status = ANY ($3) RETURNING ${COLUMNS}`;
const UPDATE_FIELDS = `UPDATE tenants SET slug = $2, name = $3, plan = $4, kind = $5, settings = $6, expires_at = $7,
    revision = revision + 1, updated_at = now() WHERE id = $1 RETURNING ${COLUMNS}`;
const UPDATE_SETTINGS = `UPDATE tenants SET settings = $2, revision = revision + 1, updated_at = now()
  WHERE id = $1 RETURNING ${COLUMNS}`;
const SCHEDULE_PURGE = `UPDATE tenants SET purge_after = now() + $2 * interval '1 day', updated_at = now()
  WHERE id = $1 RETURNING ${COLUMNS}`;

type Queries = Pick<EntityManager, 'query'>;
export type TenantFields = Pick<TenantRecord, 'slug' | 'name' | 'plan' | 'kind' | 'settings' | 'expires_at'>;

/** Rows of the registry, one at a time. What may be done to them is TenantLifecycle's and TenantEditor's to say. */
@Injectable()
export class TenantStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /**
   * @param name slug or UUID
   * @throws UnknownTenant
   */
  async find(name: string, queries: Queries = this.platform): Promise<TenantRecord> {
    const byId = isUuid(name);
    if (!byId && !SLUG.test(name)) throw new UnknownTenant();
    const rows = await queries.query<TenantRecord[]>(byId ? BY_ID : BY_SLUG, [name]);
    if (!rows[0]) throw new UnknownTenant();
    return rows[0];
  }

  /** The row as it is now, kept so until the transaction ends. @throws UnknownTenant */
  async lock(manager: EntityManager, id: string): Promise<TenantRecord> {
    const rows = await manager.query<TenantRecord[]>(LOCK, [id]);
    if (!rows[0]) throw new UnknownTenant();
    return rows[0];
  }

  /**
   * @param brings whether it brings the tenant back: then an end that has passed is forgotten, or it would end again
   * @returns undefined when the tenant has none of the statuses `from` any more
   */
  async setStatus(
    manager: EntityManager,
    id: string,
    from: readonly TenantStatus[],
    to: TenantStatus,
    suspendedReason: string | null,
    brings: boolean,
  ): Promise<TenantRecord | undefined> {
    const [rows] = await manager.query<[TenantRecord[], number]>(UPDATE_STATUS, [
      id,
      to,
      from,
      suspendedReason,
      brings,
    ]);
    return rows[0];
  }

  async setFields(manager: EntityManager, id: string, fields: TenantFields): Promise<TenantRecord> {
    const { slug, name, plan, kind, settings, expires_at } = fields;
    const [rows] = await manager.query<[TenantRecord[], number]>(UPDATE_FIELDS, [
      id,
      slug,
      name,
      plan,
      kind,
      JSON.stringify(settings),
      expires_at,
    ]);
    if (!rows[0]) throw new UnknownTenant();
    return rows[0];
  }

  async setSettings(manager: EntityManager, id: string, settings: Record<string, unknown>): Promise<TenantRecord> {
    const [rows] = await manager.query<[TenantRecord[], number]>(UPDATE_SETTINGS, [id, JSON.stringify(settings)]);
    if (!rows[0]) throw new UnknownTenant();
    return rows[0];
  }

  async schedulePurge(manager: EntityManager, id: string, days: number): Promise<TenantRecord> {
    const [rows] = await manager.query<[TenantRecord[], number]>(SCHEDULE_PURGE, [id, days]);
    if (!rows[0]) throw new UnknownTenant();
    return rows[0];
  }
}
