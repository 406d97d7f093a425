import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { ACCOUNT_MANAGE, isBuiltInRole, permissionNamed } from '../access/permissions.js';
import type { TenantPrincipal } from '../access/principal.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import { CredentialInvalid, PermissionMissing } from '../auth.errors.js';
import { User } from '../users/user.entity.js';
import { permissionsOfRole } from '../users/user-states.js';
import { GrantRefused, unknownRole } from './grant.errors.js';
import { Role } from './role.entity.js';

/** What a change to people or roles is about. */
export interface Scope {
  users?: string[];
  /** Whether somebody may cease to be an owner. */
  owners?: boolean;
  roles?: string[];
}

/** How far somebody reaches, and the rows that a change is about; all of it locked until the transaction ends. */
export class Reach {
  constructor(
    private readonly held: ReadonlySet<string>,
    private readonly people: User[],
    private readonly composed: Role[],
  ) {}

  user(id: string): User | undefined {
    return this.people.find((user) => user.id === id);
  }

  role(name: string): Role | undefined {
    return this.composed.find((role) => role.name === name);
  }

  /** @throws GrantRefused unless all of them are held */
  demand(permissions: Iterable<string>): void {
    // Every user has this one whatever the role, so nobody grants it; an API key, which cannot hold it, may add people.
    const missing = [...permissions].filter((name) => name !== ACCOUNT_MANAGE && !this.held.has(name));
    if (missing.length > 0) throw new GrantRefused(missing.sort());
  }

  /** For who has a role already. A role that is gone holds nothing. @throws GrantRefused */
  demandOver(role: string): void {
    this.demand(permissionsOfRole(role, this.role(role)?.permissions ?? null));
  }

  /** For who is to have a role. @throws ValidationFailed when there is none of that name; GrantRefused */
  demandToGrant(role: string): void {
    if (!isBuiltInRole(role) && !this.role(role)) throw unknownRole();
    this.demandOver(role);
  }

  activeOwners(): number {
    return this.people.filter((user) => user.role === 'owner' && user.status === 'active').length;
  }
}

/**
 * Nobody grants more than they have, nor touches who has more. That is checked on rows and not on what a cache knew,
 * and the rows stay locked, so that changes to the same people or roles come one after another.
 *
 * Always people before roles, people in the order of their ids, roles in that of their names: two changes at once never
 * wait for each other.
 */
@Injectable()
export class Grants {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Role) private readonly roles: TenantRepository<Role>,
    @InjectTenantRepository(ApiKey) private readonly apiKeys: TenantRepository<ApiKey>,
  ) {}

  /**
   * How far the caller reaches now. Call it first in the transaction of the change.
   *
   * @throws CredentialInvalid, PermissionMissing when the caller was disabled or demoted since the guard let them in
   */
  async begin(principal: TenantPrincipal, permission: string, scope: Scope = {}): Promise<Reach> {
    const { held, people, roles } = await this.lock(principal.id, scope);
    if (!held) throw new CredentialInvalid();
    // The guard may know of less, for a platform admin who acts as the user.
    const now = new Set([...held].filter((name) => principal.permissions.has(name)));
    if (!now.has(permission)) throw new PermissionMissing(permission);
    return new Reach(now, people, roles);
  }

  /** How far somebody who is not the caller reaches now; undefined when they are gone or disabled. */
  async of(actorId: string, scope: Scope): Promise<Reach | undefined> {
    const { held, people, roles } = await this.lock(actorId, scope);
    return held && new Reach(held, people, roles);
  }

  /** For the platform, which no tenant's permissions bind. Locks the role. @throws ValidationFailed for an unknown one */
  async lockRole(name: string): Promise<void> {
    if (!isBuiltInRole(name) && (await this.lockRoles([name])).length === 0) throw unknownRole();
  }

  private async lock(actorId: string, { users = [], owners = false, roles: names = [] }: Scope) {
    const people = await this.users.find({
      where: [{ id: In([actorId, ...users]) }, ...(owners ? [{ role: 'owner' }] : [])],
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
    const roles = await this.lockRoles([...people.map((user) => user.role), ...names]);
    const actor = people.find((user) => user.id === actorId);
    if (actor?.status === 'disabled') return { held: undefined, people, roles };
    const composed = roles.find((role) => role.name === actor?.role)?.permissions ?? null;
    const held = actor ? new Set(permissionsOfRole(actor.role, composed)) : await this.heldByKey(actorId);
    return { held, people, roles };
  }

  private async lockRoles(names: string[]): Promise<Role[]> {
    const composed = [...new Set(names)].filter((name) => !isBuiltInRole(name));
    if (composed.length === 0) return [];
    return this.roles.find({
      where: { name: In(composed) },
      order: { name: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
  }

  private async heldByKey(id: string): Promise<Set<string> | undefined> {
    const key = await this.apiKeys.findOneBy({ id });
    if (!key || (key.expiresAt !== null && key.expiresAt <= new Date())) return undefined;
    return new Set(key.permissions.filter((name) => permissionNamed(name)?.peopleOnly !== true));
  }
}
