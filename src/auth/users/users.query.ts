import { Injectable } from '@nestjs/common';
import { isUuid, type Page } from '../../common/index.js';
import { type FieldQuery, fieldFiltersOf, USER_FIELDS, whereFields } from '../../fields/index.js';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, TenantCursors, type TenantRepository } from '../../tenancy/index.js';
import { UnknownUser } from './user.errors.js';
import { User } from './user.entity.js';

/** What to look for; all that are given must hold. */
export interface UserFilter {
  role?: string;
  status?: User['status'];
  /** A part of name or address. */
  q?: string;
  /** Of custom fields. */
  fields?: FieldQuery;
}

/** What cursors are sealed with. */
const LIST = 'users';

/** Reads the people of the current tenant, in the order in which they came. */
@Injectable()
export class UsersQuery {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly cursors: TenantCursors,
    private readonly settings: TenantSettings,
  ) {}

  /**
   * @param limit users to a page
   * @throws CursorInvalid, InvalidFieldFilter
   */
  async list({ role, status, q, fields = [] }: UserFilter, limit: number, cursor?: string): Promise<Page<User>> {
    const after = this.cursors.open(LIST, cursor);
    const query = this.users
      .createQueryBuilder('user')
      .orderBy('user.id', 'ASC')
      .limit(limit + 1);
    if (role !== undefined) query.andWhere('user.role = :role', { role });
    if (status !== undefined) query.andWhere('user.status = :status', { status });
    if (after !== undefined) query.andWhere('user.id > :after', { after });
    if (q !== undefined) {
      const part = `%${q.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
      query.andWhere('(user.name ILIKE :part OR user.email ILIKE :part)', { part });
    }
    whereFields(query, 'user.customFields', fieldFiltersOf(this.settings.get(USER_FIELDS), fields));
    return this.cursors.page(LIST, await query.getMany(), limit, ({ id }) => id);
  }

  /** @throws UnknownUser */
  async find(id: string): Promise<User> {
    const user = isUuid(id) ? await this.users.findOneBy({ id }) : null;
    if (!user) throw new UnknownUser();
    return user;
  }
}
