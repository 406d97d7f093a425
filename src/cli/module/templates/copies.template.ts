import type { ModuleShape } from '../module.shape.js';

export function copies({ names }: ModuleShape): string {
  const { Singular, pluralValue } = names;
  return `import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { TenantCopies } from '../tenant/index.js';
import { ${Singular} } from './${names.singular}.entity.js';

const PAGE = 500;

/** The ${names.words} in a copy of a tenant, under other ids. */
@Injectable()
export class ${Singular}Copies implements OnModuleInit {
  constructor(
    @InjectTenantRepository(${Singular}) private readonly ${pluralValue}: TenantRepository<${Singular}>,
    private readonly copies: TenantCopies,
  ) {}

  onModuleInit(): void {
    this.copies.register<${Singular}>({
      entity: ${Singular},
      read: async (from) => {
        const rows = await this.${pluralValue}.find({
          ...(from !== undefined && { where: { id: MoreThan(from) } }),
          order: { id: 'ASC' },
          take: PAGE,
        });
        return { rows, next: rows.length === PAGE ? rows.at(-1)?.id : undefined };
      },
      write: async (rows, ids) => {
        // The tenant is left out: it is that of the copy.
        const owned = rows.map(({ tenantId: _source, id, ...values }) => ({ ...values, id: ids.of(id) }));
        if (owned.length > 0) await this.${pluralValue}.insert(owned);
      },
    });
  }
}
`;
}
