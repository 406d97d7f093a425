import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BrandLogo } from '../branding/index.js';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { ArchiveRules, TenantCopies } from '../tenant/index.js';

/** How the logo of a tenant gets into archives of it and into its copies. */
@Injectable()
export class BrandingTables implements OnModuleInit {
  constructor(
    @InjectTenantRepository(BrandLogo) private readonly logos: TenantRepository<BrandLogo>,
    private readonly copies: TenantCopies,
    private readonly rules: ArchiveRules,
  ) {}

  onModuleInit(): void {
    // Anybody may see it.
    this.rules.register('brand_logos', { plain: ['content'] });
    this.copies.register<BrandLogo>({
      entity: BrandLogo,
      read: async () => ({
        rows: await this.logos.find({ order: { createdAt: 'DESC', id: 'DESC' }, take: 1 }),
        next: undefined,
      }),
      write: async (rows, ids) => {
        if (rows.length > 0)
          await this.logos.insert(rows.map(({ tenantId: _, id, ...logo }) => ({ ...logo, id: ids.of(id) })));
      },
    });
  }
}
