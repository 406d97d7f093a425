import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { ACCOUNT_MANAGE, isBuiltInRole, permissionNamed } from '../access/permissions.js';
import type { TenantPrincipal } from '../access/principal.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import { CredentialInvalid, PermissionMissing } from '../auth.errors.js';
import { LastOwner } from '../users/user.errors.js';
import { User } from '../users/user.entity.js';
import { permissionsOfRole } from '../users/user-states.js';
import { BoundedKeyRefused, GrantRefused, unknownRole } from './grant.errors.js';
import { Role } from './role.entity.js';

/** What a change to people or roles is about. */
export interface Scope {
  users?: string[];
  /** Whether somebody may cease to be an owner. */
  owners?: boolean;
  roles?: string[];
  /** API keys. */
  keys?: string[];
}

/** Who changes something, as the rows say. */
interface Holder {
  permissions: ReadonlySet<string>;
  /** The API key, when it is one that changes something. */
  key?: ApiKey;
}

/** How far somebody reaches, and the rows that a change is about; all of it locked until the transaction ends. */
export class Reach {
  constructor(
    private readonly holder: Holder,
    private readonly people: User[],
    private readonly composed: Role[],
    private readonly keys: ApiKey[],
  ) {}

  /** What the caller holds now. */
  get permissions(): ReadonlySet<string> {
    return this.holder.permissions;
  }

  /** The API key by which the caller acts, if they do. */
  get callersKey(): ApiKey | undefined {
    return this.holder.key;
  }

  user(id: string): User | undefined {
    return this.people.find((user) => user.id === id);
  }

  role(name: string): Role | undefined {
    return this.composed.find((role) => role.name === name);
  }

  apiKey(id: string): ApiKey | undefined {
    return this.keys.find((key) => key.id === id);
  }

  /**
   * A key that ends, or works from some addresses only, makes nobody who does not: what a person can do knows no such
   * bounds.
   *
   * @throws BoundedKeyRefused
   */
  demandUnbounded(): void {
    const { key } = this.holder;
    if (key && (key.expiresAt !== null || key.addressRanges.length > 0)) throw new BoundedKeyRefused();
  }

  /** @throws GrantRefused unless all of them are held */
  demand(permissions: Iterable<string>): void {
    // Every user has this one whatever the role, so nobody grants it; an API key, which cannot hold it, may add people.
    const missing = [...permissions].filter((name) => name !== ACCOUNT_MANAGE && !this.permissions.has(name));
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

  /**
   * For who may cease to be an owner. Counts owners as they are locked, so that two cannot demote each other.
   *
   * @throws LastOwner
   */
  keepAnOwner(user: User): void {
    if (isActiveOwner(user) && this.people.filter(isActiveOwner).length === 1) throw new LastOwner();
  }
}

/**
 * Nobody grants more than they have, nor touches who has more. That is checked on rows and not on what a cache knew,
 * and the rows stay locked, so that changes to the same people or roles come one after another.
 *
 * Always people before roles before keys, people and keys in the order of their ids, roles in that of their names: two
 * changes at once never wait for each other.
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
    const { holder, people, roles, keys } = await this.lock(principal.id, scope);
    if (!holder) throw new CredentialInvalid();
    // The guard may know of less, for a platform admin who acts as the user.
    const now = new Set([...holder.permissions].filter((name) => principal.permissions.has(name)));
    if (!now.has(permission)) throw new PermissionMissing(permission);
    return new Reach({ ...holder, permissions: now }, people, roles, keys);
  }

  /** How far somebody who is not the caller reaches now; undefined when they are gone or disabled. */
  async of(actorId: string, scope: Scope): Promise<Reach | undefined> {
    const { holder, people, roles, keys } = await this.lock(actorId, scope);
    return holder && new Reach(holder, people, roles, keys);
  }

  /** For the platform, which no tenant's permissions bind. Locks the role. @throws ValidationFailed for an unknown one */
  async lockRole(name: string): Promise<void> {
    if (!isBuiltInRole(name) && (await this.lockRoles([name])).length === 0) throw unknownRole();
  }

  private async lock(actorId: string, { users = [], owners = false, roles: names = [], keys: ids = [] }: Scope) {
    const people = await this.users.find({
      where: [{ id: In([actorId, ...users]) }, ...(owners ? [{ role: 'owner' }] : [])],
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
    const roles = await this.lockRoles([...people.map((user) => user.role), ...names]);
    const actor = people.find((user) => user.id === actorId);
    const keys = await this.lockKeys(actor ? ids : [actorId, ...ids]);
    return { holder: actor ? holderOf(actor, roles) : keyHolder(keys, actorId), people, roles, keys };
  }

  private async lockKeys(ids: string[]): Promise<ApiKey[]> {
    if (ids.length === 0) return [];
    return this.apiKeys.find({ where: { id: In(ids) }, order: { id: 'ASC' }, lock: { mode: 'pessimistic_write' } });
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
}

function isActiveOwner({ role, status }: User): boolean {
  return role === 'owner' && status === 'active';
}

function holderOf(actor: User, roles: Role[]): Holder | undefined {
  if (actor.status === 'disabled') return undefined;
  const composed = roles.find((role) => role.name === actor.role)?.permissions ?? null;
  return { permissions: new Set(permissionsOfRole(actor.role, composed)) };
}

function keyHolder(keys: ApiKey[], id: string): Holder | undefined {
  const key = keys.find((candidate) => candidate.id === id);
  if (!key || (key.expiresAt !== null && key.expiresAt <= new Date())) return undefined;
  const permissions = new Set(key.permissions.filter((name) => permissionNamed(name)?.peopleOnly !== true));
  return { permissions, key };
}
