import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { ACCOUNT_MANAGE, BUILT_IN_ROLES, isBuiltInRole, permissionsOfBuiltIn } from '../access/permissions.js';
import { MFA_ROLES } from '../auth.settings.js';
import { Role } from '../roles/role.entity.js';
import { permissionsOfRole } from '../users/user-states.js';

/**
 * Which roles must have a second factor. Those that the tenant lists; and of the roles that it composes itself, each
 * that holds a permission which sets a listed role apart from the built-in ones beneath it. Otherwise an admin would
 * compose a role of the same permissions, or all but one, take that, and be rid of the demand.
 */
@Injectable()
export class SecondFactorDemand {
  constructor(
    @InjectTenantRepository(Role) private readonly roles: TenantRepository<Role>,
    private readonly settings: TenantSettings,
  ) {}

  async appliesTo(role: string): Promise<boolean> {
    const listed = this.settings.get(MFA_ROLES);
    if (listed.includes(role)) return true;
    if (listed.length === 0 || isBuiltInRole(role)) return false;
    const names = [role, ...listed].filter((name) => !isBuiltInRole(name));
    const composed = new Map(
      (await this.roles.findBy({ name: In(names) })).map(({ name, permissions }) => [name, permissions]),
    );
    const permissionsOf = (name: string) => permissionsOfRole(name, composed.get(name) ?? null);
    const held = new Set(permissionsOf(role));
    return listed.some((name) => apart(permissionsOf(name), listed).some((permission) => held.has(permission)));
  }
}

/** What may not be had without a second factor: of a listed role's permissions, those of no unlisted one beneath it. */
function apart(permissions: string[], listed: string[]): string[] {
  const all = new Set(permissions);
  const beneath = BUILT_IN_ROLES.filter((name) => !listed.includes(name))
    .map(permissionsOfBuiltIn)
    .filter((theirs) => theirs.every((permission) => all.has(permission)));
  const free = new Set([ACCOUNT_MANAGE, ...beneath.flat()]);
  return permissions.filter((permission) => !free.has(permission));
}
