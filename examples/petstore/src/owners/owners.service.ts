import { Injectable } from '@nestjs/common';
import {
  InjectTenantRepository,
  newId,
  type Page,
  TenantAudit,
  TenantCursors,
  TenantRepository,
  TenantTransaction,
} from 'tenantry';
import { MoreThan } from 'typeorm';
import { idOf, NotFound } from '../rest.js';
import { Owner } from './owner.entity.js';

const LIST = 'owners';

@Injectable()
export class OwnersService {
  constructor(
    @InjectTenantRepository(Owner) private readonly owners: TenantRepository<Owner>,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly audit: TenantAudit,
  ) {}

  /** In the order in which they came. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<Owner>> {
    const after = this.cursors.open(LIST, cursor);
    const where = after === undefined ? {} : { id: MoreThan(after) };
    const rows = await this.owners.find({ where, order: { id: 'ASC' }, take: limit + 1 });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** @throws NotFound */
  async find(id: string): Promise<Owner> {
    const owner = await this.owners.findOneBy({ id: idOf(id, 'owner') });
    if (!owner) throw new NotFound('owner');
    return owner;
  }

  add({ name, email }: Pick<Owner, 'name' | 'email'>): Promise<Owner> {
    return this.transaction.run(async () => {
      const [owner] = await this.owners.insert({ id: newId(), name, email, createdAt: new Date() });
      await this.audit.record({
        event: 'owner.added',
        target: { kind: 'owner', id: owner!.id },
        after: { name, email },
      });
      return owner!;
    });
  }

  /** Their pets stay, without an owner. @throws NotFound */
  async remove(id: string): Promise<void> {
    await this.transaction.run(async () => {
      if ((await this.owners.delete({ id: idOf(id, 'owner') })) === 0) throw new NotFound('owner');
      await this.audit.record({ event: 'owner.removed', target: { kind: 'owner', id } });
    });
  }
}
