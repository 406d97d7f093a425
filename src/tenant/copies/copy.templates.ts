import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/index.js';
import { declareSetting, settingOf } from '../../settings/index.js';
import { SLUG, type Tenant, TenantDirectory } from '../../tenancy/index.js';

/** Of a tenant that others may be copied from: its settings, and its data with nothing that says who people are but names. */
export const SANDBOX_TEMPLATE = declareSetting<boolean>({
  key: 'sandbox.template',
  copied: false,
  default: false,
  allowed: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
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

/** Tenants that others may be copied from. */
@Injectable()
export class CopyTemplates {
  constructor(private readonly tenants: TenantDirectory) {}

  /** @throws UnknownTemplate */
  async find(slug: string): Promise<Tenant> {
    const tenant = SLUG.test(slug) ? await this.tenants.findBySlug(slug) : undefined;
    if (!tenant || !this.serves(tenant)) throw new UnknownTemplate();
    return tenant;
  }

  /** Whether copies of the tenant may still be brought back to its state. */
  async isTemplate(id: string): Promise<boolean> {
    const tenant = await this.tenants.findById(id);
    return tenant !== undefined && this.serves(tenant);
  }

  private serves(tenant: Tenant): boolean {
    return tenant.status === 'active' && settingOf(tenant, SANDBOX_TEMPLATE);
  }
}
