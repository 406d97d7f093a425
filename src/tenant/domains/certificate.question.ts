import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { DomainPolicy, SLUG, TenantLookUp } from '../../tenancy/index.js';

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
      return SLUG.test(slug) && (await this.tenants.bySlug(slug))?.status === 'active';
    }
    const { domain } = this.policy.read(name);
    return domain !== undefined && (await this.tenants.byDomain(domain))?.status === 'active';
  }
}
