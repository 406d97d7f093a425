import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { DomainPolicy, SLUG, type Tenant, TenantLookUp } from '../../tenancy/index.js';

/** Whether a proxy should get a certificate for a name: only one under which an active tenant is reached. */
@Injectable()
export class CertificateQuestion {
  private readonly suffix: string;

  constructor(
    @Inject(ENV) env: Env,
    private readonly policy: DomainPolicy,
    private readonly tenants: TenantLookUp,
  ) {
    this.suffix = `.${env.baseDomain}`;
  }

  async mayHaveOne(name: string): Promise<boolean> {
    const bare = name.toLowerCase().replace(/\.$/, '');
    if (bare.endsWith(this.suffix)) {
      const slug = bare.slice(0, -this.suffix.length);
      return SLUG.test(slug) && isServed(await this.tenants.bySlug(slug));
    }
    const { domain } = this.policy.read(name);
    return domain !== undefined && isServed(await this.tenants.byDomain(domain));
  }
}

/** A suspended tenant still answers: with the reason, and to its owners. */
function isServed(tenant: Tenant | undefined): boolean {
  if (!tenant || (tenant.alias && tenant.alias.until <= Date.now())) return false;
  return tenant.status === 'active' || tenant.status === 'suspended';
}
