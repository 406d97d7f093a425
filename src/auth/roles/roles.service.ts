import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { type FieldError, ValidationFailed } from '../../common/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../../tenancy/index.js';
import { ACCOUNT_MANAGE, isBuiltInRole, permissionNamed } from '../access/permissions.js';
import type { TenantPrincipal } from '../access/principal.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { whereStatus } from '../invitations/invitation.status.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { Grants } from './grants.js';
import { Role } from './role.entity.js';
import { RoleBuiltIn, RoleInUse, RoleNameTaken, TooManyRoles, UnknownRole } from './role.errors.js';
import { ROLE_WRITE } from './role.permissions.js';

const MAX_ROLES = 100;

export interface NewRole {
  name: string;
  description?: string;
  permissions: string[];
}

/** The roles that a tenant composes itself. */
@Injectable()
export class RolesService {
  constructor(
    @InjectTenantRepository(Role) private readonly roles: TenantRepository<Role>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    private readonly grants: Grants,
    private readonly states: UserStates,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  list(): Promise<Role[]> {
    return this.roles.find({ order: { name: 'ASC' } });
  }

  /** @throws UnknownRole */
  async find(name: string): Promise<Role> {
    const role = await this.roles.findOneBy({ name });
    if (!role) throw new UnknownRole();
    return role;
  }

  /** @throws ValidationFailed for permissions there are not; GrantRefused, RoleNameTaken, TooManyRoles */
  async create(principal: TenantPrincipal, { name, description = '', permissions }: NewRole): Promise<Role> {
    const composed = checked(permissions);
    if (isBuiltInRole(name)) throw new RoleNameTaken();
    try {
      return await this.transaction.run(async () => {
        const reach = await this.grants.begin(principal, ROLE_WRITE);
        reach.demand(composed);
        // Two at once may pass the limit by one, which harms nobody.
        if ((await this.roles.count()) >= MAX_ROLES) throw new TooManyRoles(MAX_ROLES);
        const now = new Date();
        const row = { name, description, permissions: composed, createdAt: now, updatedAt: now };
        const [role] = (await this.roles.insert(row)) as [Role];
        await this.record('role.created', role, undefined, contentOf(role));
        return role;
      });
    } catch (error) {
      throw isDuplicateOf('roles_name_key', error) ? new RoleNameTaken() : error;
    }
  }

  /**
   * Changes a role for all who hold it, at once. The caller must hold what the role had as well as what it gets.
   *
   * @throws UnknownRole, RoleBuiltIn, ValidationFailed, GrantRefused
   */
  async change(
    principal: TenantPrincipal,
    name: string,
    changes: { description?: string; permissions?: string[] },
  ): Promise<Role> {
    if (isBuiltInRole(name)) throw new RoleBuiltIn();
    const wanted = changes.permissions && checked(changes.permissions);
    return this.transaction.run(async () => {
      const reach = await this.grants.begin(principal, ROLE_WRITE, { roles: [name] });
      const role = reach.role(name);
      if (!role) throw new UnknownRole();
      reach.demandOver(name);
      reach.demand(wanted ?? []);
      if (wanted) reach.demandUnbounded();
      const after = {
        description: changes.description ?? role.description,
        permissions: wanted ?? role.permissions,
      };
      if (JSON.stringify(after) === JSON.stringify(contentOf(role))) return role;
      const changed = { ...after, updatedAt: new Date() };
      await this.roles.update({ id: role.id }, changed);
      await this.states.changed('*');
      await this.record('role.changed', role, contentOf(role), after);
      return { ...role, ...changed };
    });
  }

  /** @throws UnknownRole, RoleBuiltIn, GrantRefused; RoleInUse while users or open invitations hold it */
  async remove(principal: TenantPrincipal, name: string): Promise<void> {
    if (isBuiltInRole(name)) throw new RoleBuiltIn();
    await this.transaction.run(async () => {
      const reach = await this.grants.begin(principal, ROLE_WRITE, { roles: [name] });
      const role = reach.role(name);
      if (!role) throw new UnknownRole();
      reach.demandOver(name);
      // Whoever assigns the role holds its lock until the commit, so that nobody is missed here.
      const users = await this.users.count({ where: { role: name } });
      const invitations = await this.invitations.count({ where: { role: name, ...whereStatus('open') } });
      if (users + invitations > 0) throw new RoleInUse(users, invitations);
      await this.roles.delete({ id: role.id });
      await this.states.changed('*');
      await this.record('role.deleted', role, contentOf(role), undefined);
    });
  }

  private record(event: string, role: Role, before: unknown, after: unknown): Promise<void> {
    return this.audit.record({ event, target: { kind: 'role', id: role.name }, before, after });
  }
}

function contentOf({ description, permissions }: Role) {
  return { description, permissions };
}

/** In one order and without what everybody has, so that equal roles are equal. @throws ValidationFailed */
function checked(names: string[]): string[] {
  const errors: FieldError[] = names.flatMap((name, index) =>
    permissionNamed(name) ? [] : [{ pointer: `/permissions/${index}`, detail: 'must be a permission that there is' }],
  );
  if (errors.length > 0) throw new ValidationFailed(errors);
  return [...new Set(names)].filter((name) => name !== ACCOUNT_MANAGE).sort();
}
