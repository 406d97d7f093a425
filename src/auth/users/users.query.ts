import { Injectable } from '@nestjs/common';
import { CursorInvalid, isUuid, type Page } from '../../common/index.js';
import { type FieldQuery, fieldFiltersOf, USER_FIELDS, whereFields } from '../../fields/index.js';
import { TenantSettings } from '../../settings/index.js';
import { CredentialCodec, InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
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

/** Whose cursors they are. */
const CURSOR_OWNER = 'users';

/** Reads the people of the current tenant, in the order in which they came. */
@Injectable()
export class UsersQuery {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly context: TenantContext,
    private readonly credentials: CredentialCodec,
    private readonly settings: TenantSettings,
  ) {}

  /**
   * @param limit users to a page
   * @throws CursorInvalid, InvalidFieldFilter
   */
  async list({ role, status, q, fields = [] }: UserFilter, limit: number, cursor?: string): Promise<Page<User>> {
    const tenantId = this.context.currentOrThrow('The list of users').id;
    const after = cursor === undefined ? undefined : this.credentials.openCursor(tenantId, CURSOR_OWNER, cursor);
    if (cursor !== undefined && after === undefined) throw new CursorInvalid();
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
    const rows = await query.getMany();
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const more = rows.length > limit && last !== undefined;
    return { items, next_cursor: more ? this.credentials.sealCursor(tenantId, CURSOR_OWNER, last.id) : null };
  }

  /** @throws UnknownUser */
  async find(id: string): Promise<User> {
    const user = isUuid(id) ? await this.users.findOneBy({ id }) : null;
    if (!user) throw new UnknownUser();
    return user;
  }
}
