import type { ModuleShape } from '../module.shape.js';

export function service({ names }: ModuleShape): string {
  const { Singular, Plural, value, pluralValue } = names;
  return `import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { isUuid, type Page, RevisionMismatch } from '../common/index.js';
import { InjectTenantRepository, TenantCursors, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import type { ${Singular}Values } from './${names.singular}.dto.js';
import { ${Singular} } from './${names.singular}.entity.js';
import { ${Singular}NotFound } from './${names.singular}.errors.js';

/** What cursors are sealed with: those of other lists are refused. */
const LIST = '${names.plural}';

@Injectable()
export class ${Plural}Service {
  constructor(
    @InjectTenantRepository(${Singular}) private readonly ${pluralValue}: TenantRepository<${Singular}>,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
  ) {}

  async add(values: ${Singular}Values): Promise<${Singular}> {
    const createdAt = new Date();
    const [${value}] = await this.${pluralValue}.insert({ ...values, revision: 1, createdAt, updatedAt: createdAt });
    return ${value} as ${Singular};
  }

  /** Newest first. @throws CursorInvalid */
  async page(limit: number, cursor: string | undefined): Promise<Page<${Singular}>> {
    const before = this.cursors.open(LIST, cursor);
    const rows = await this.${pluralValue}.find({
      ...(before !== undefined && { where: { id: LessThan(before) } }),
      order: { id: 'DESC' },
      take: limit + 1,
    });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** @throws ${Singular}NotFound */
  async get(id: string): Promise<${Singular}> {
    const ${value} = isUuid(id) ? await this.${pluralValue}.findOneBy({ id }) : null;
    if (!${value}) throw new ${Singular}NotFound();
    return ${value};
  }

  /**
   * @param revision the one last seen; undefined for whichever it has
   * @throws ${Singular}NotFound, RevisionMismatch
   */
  async change(id: string, changes: Partial<${Singular}Values>, revision?: number): Promise<${Singular}> {
    return this.transaction.run(async () => {
      const ${value} = await this.hold(id, revision);
      await this.${pluralValue}.update({ id }, { ...changes, revision: ${value}.revision + 1, updatedAt: new Date() });
      return this.get(id);
    });
  }

  /** As for {@link change}. */
  async remove(id: string, revision?: number): Promise<void> {
    await this.transaction.run(async () => {
      await this.hold(id, revision);
      await this.${pluralValue}.delete({ id });
    });
  }

  /** Whoever else would change it waits until the unit of work at hand has ended. */
  private async hold(id: string, revision: number | undefined): Promise<${Singular}> {
    const lock = { mode: 'pessimistic_write' } as const;
    const ${value} = isUuid(id) ? await this.${pluralValue}.findOne({ where: { id }, lock }) : null;
    if (!${value}) throw new ${Singular}NotFound();
    if (revision !== undefined && revision !== ${value}.revision) throw new RevisionMismatch();
    return ${value};
  }
}
`;
}
