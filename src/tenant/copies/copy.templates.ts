import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { AppError } from '../../common/index.js';
import { declareSetting, settingOf } from '../../settings/index.js';
import { InjectPlatformDataSource, SLUG, type Tenant, TenantDirectory } from '../../tenancy/index.js';

/** Of a tenant that others may be copied from: its settings, and its data with nothing that says who people are but names. */
export const SANDBOX_TEMPLATE = declareSetting<boolean>({
  key: 'sandbox.template',
  description: 'Whether others may be copied from this tenant.',
  copied: false,
  type: 'boolean',
  allowed: 'true or false',
  default: false,
  changedBy: 'platform',
});

/** Unknown, out of service and not a template: one answer. */
export class UnknownTemplate extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'template_not_found',
      detail: 'There is no template of this name.',
      remedy: 'Ask the operator of the service for the names of templates, or leave it out.',
    });
  }
}

type TemplateRow = Pick<Tenant, 'id' | 'name' | 'status' | 'settings'>;

/** What a copy is made from. */
export type CopySource = Pick<Tenant, 'id' | 'name'>;

/** Also by a slug that the tenant had before, while that leads to it. */
const BY_SLUG = `SELECT t.id, t.name, t.status, t.settings FROM slugs s JOIN tenants t ON t.id = s.tenant_id
  WHERE s.slug = $1 AND (t.slug = s.slug OR s.redirect_until > now())`;

/** Tenants that others may be copied from. */
@Injectable()
export class CopyTemplates {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly tenants: TenantDirectory,
  ) {}

  /**
   * @param queries inside a transaction its manager: a second connection would be waited for while one is held
   * @throws UnknownTemplate
   */
  async find(slug: string, queries: Pick<EntityManager, 'query'> = this.platform): Promise<CopySource> {
    const [tenant] = SLUG.test(slug) ? await queries.query<TemplateRow[]>(BY_SLUG, [slug]) : [];
    if (!tenant || !this.serves(tenant)) throw new UnknownTemplate();
    return tenant;
  }

  /** Whether copies of the tenant may still be brought back to its state. */
  async isTemplate(id: string): Promise<boolean> {
    const tenant = await this.tenants.findById(id);
    return tenant !== undefined && this.serves(tenant);
  }

  /** Only where it says so itself: what all tenants of a plan inherit makes none of them a template. */
  private serves(tenant: Pick<Tenant, 'status' | 'settings'>): boolean {
    return (
      tenant.status === 'active' && settingOf({ settings: tenant.settings, inherited: undefined }, SANDBOX_TEMPLATE)
    );
  }
}
