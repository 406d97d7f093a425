import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../changes/index.js';
import { INHERITED_SETTINGS, layersOf } from '../settings/index.js';
import { InjectPlatformDataSource, type OwnPlace, type Tenant, TenantDirectory } from '../tenancy/index.js';
import { CHANNEL } from './tenant.channel.js';

/** Looks tenants up in the registry; hears of changes through the change feed. */
@Injectable()
export class PostgresTenantDirectory extends TenantDirectory {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly changes: ChangeFeed,
  ) {
    super();
  }

  get live(): boolean {
    return this.changes.live;
  }

  onChange(listener: (slugs: string[] | undefined) => void): void {
    this.changes.on(CHANNEL, listener);
  }

  /** Also by a slug that the tenant had before, while that leads to it. */
  async findBySlug(slug: string): Promise<Tenant | undefined> {
    return (await this.find('slug', slug)) ?? this.findRenamed(slug);
  }

  findById(id: string, within?: Pick<EntityManager, 'query'>): Promise<Tenant | undefined> {
    return this.find('id', id, within);
  }

  async activeIds(after: string, limit: number): Promise<string[]> {
    const rows = await this.platform.query<{ id: string }[]>(
      `SELECT id FROM tenants WHERE id > $1 AND status = 'active' ORDER BY id LIMIT $2`,
      [after, limit],
    );
    return rows.map(({ id }) => id);
  }

  async placedElsewhere(after: string | undefined, limit: number): Promise<OwnPlace[]> {
    return this.platform.query<OwnPlace[]>(
      `SELECT id AS "tenantId", placement FROM tenants
        WHERE placement <> '{"kind":"shared"}' AND status <> 'deleted' AND ($1::uuid IS NULL OR id > $1)
        ORDER BY id LIMIT $2`,
      [after ?? null, limit],
    );
  }

  private async findRenamed(slug: string): Promise<Tenant | undefined> {
    const [old] = await this.platform.query<{ tenant_id: string; redirect_until: Date }[]>(
      'SELECT tenant_id, redirect_until FROM slugs WHERE slug = $1 AND redirect_until > now()',
      [slug],
    );
    const tenant = old && (await this.findById(old.tenant_id));
    return tenant && Object.freeze({ ...tenant, alias: { slug, until: old.redirect_until.getTime() } });
  }

  private async find(
    column: 'slug' | 'id',
    value: string,
    queries: Pick<EntityManager, 'query'> = this.platform,
  ): Promise<Tenant | undefined> {
    const columns = `id, slug, name, plan, kind, status, suspended_reason AS "suspendedReason", placement, settings,
       ${INHERITED_SETTINGS} AS inherited,
       (SELECT d.domain FROM tenant_domains d WHERE d.tenant_id = t.id AND d.is_primary) AS "primaryDomain"`;
    const sql = {
      slug: `SELECT ${columns} FROM tenants t WHERE slug = $1`,
      id: `SELECT ${columns} FROM tenants t WHERE id = $1`,
    };
    const [row] = await queries.query<(Omit<Tenant, 'inherited'> & { inherited: string })[]>(sql[column], [value]);
    return row && Object.freeze({ ...row, inherited: layersOf(row.inherited) });
  }
}
