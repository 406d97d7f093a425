import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsOptional, IsString, Matches } from 'class-validator';
import {
  BUILT_IN_ROLES,
  type BuiltInRole,
  type Permission,
  permissions,
  permissionsOfBuiltIn,
} from '../access/permissions.js';
import { permissionsOfRole } from '../users/user-states.js';
import type { Role } from './role.entity.js';

export const ROLE_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** PostgreSQL takes no NUL. */
const DESCRIPTION = /^[^\0]{0,500}$/;
const NAMES = { description: 'Only permissions that the caller holds. Everybody has account:manage besides.' };

const Permissions = (): PropertyDecorator => (target, name) => {
  const rules = [
    IsArray({ message: 'must be a list' }),
    ArrayMaxSize(200, { message: 'must be at most 200' }),
    IsString({ each: true, message: 'must be a list of texts' }),
  ];
  for (const decorate of rules) decorate(target, name);
};

export class CreateRoleRequest {
  @ApiProperty({ example: 'auditor', pattern: ROLE_NAME.source })
  @Matches(ROLE_NAME, { message: 'must be 1 to 63 of a-z, 0-9 and -, beginning with a letter' })
  name: string;

  @ApiPropertyOptional({ example: 'Reads the audit log, changes nothing', maxLength: 500 })
  @IsOptional()
  @Matches(DESCRIPTION, { message: 'must be a text of at most 500 characters' })
  description?: string;

  @ApiProperty({ type: [String], example: ['audit:read'], ...NAMES })
  @Permissions()
  permissions: string[];
}

export class ChangeRoleRequest {
  @ApiPropertyOptional({ example: 'Reads the audit log and lists people', maxLength: 500 })
  @IsOptional()
  @Matches(DESCRIPTION, { message: 'must be a text of at most 500 characters' })
  description?: string;

  @ApiPropertyOptional({ type: [String], example: ['audit:read', 'user:read'], ...NAMES })
  @IsOptional()
  @Permissions()
  permissions?: string[];
}

const ABOUT: Record<BuiltInRole, string> = {
  owner: 'Everything',
  admin: 'Everything but making, changing and removing owners',
  member: 'Works with what the tenant offers',
  viewer: 'Reads what is their own',
};

export class RoleView {
  @ApiProperty({ example: 'auditor' })
  name: string;

  @ApiProperty()
  description: string;

  @ApiProperty({ description: 'Built-in roles can be neither changed nor deleted.' })
  built_in: boolean;

  @ApiProperty({ type: [String], example: ['account:manage', 'audit:read'] })
  permissions: string[];

  static of({ name, description, permissions: composed }: Role): RoleView {
    return { name, description, built_in: false, permissions: permissionsOfRole(name, composed).sort() };
  }

  static ofBuiltIn(name: BuiltInRole): RoleView {
    return { name, description: ABOUT[name], built_in: true, permissions: permissionsOfBuiltIn(name) };
  }
}

export class RolePage {
  @ApiProperty({ type: [RoleView] })
  items: RoleView[];

  @ApiProperty({ type: String, nullable: true, description: 'Always null: a tenant has few roles.' })
  next_cursor: null;

  static of(own: Role[]): RolePage {
    return {
      items: [...BUILT_IN_ROLES.map((name) => RoleView.ofBuiltIn(name)), ...own.map((role) => RoleView.of(role))],
      next_cursor: null,
    };
  }
}

export class PermissionView {
  @ApiProperty({ example: 'audit:read' })
  name: string;

  @ApiProperty({ example: "Read and download the tenant's audit log" })
  about: string;

  @ApiProperty({ description: 'Whether the caller holds it, and so may put it into a role.' })
  held: boolean;

  @ApiProperty({ description: 'No API key can hold it.' })
  people_only: boolean;

  static of({ name, about, peopleOnly = false }: Permission, held: ReadonlySet<string>): PermissionView {
    return { name, about, held: held.has(name), people_only: peopleOnly };
  }
}

export class PermissionPage {
  @ApiProperty({ type: [PermissionView] })
  items: PermissionView[];

  @ApiProperty({ type: String, nullable: true, description: 'Always null.' })
  next_cursor: null;

  static of(held: ReadonlySet<string>): PermissionPage {
    return { items: permissions().map((permission) => PermissionView.of(permission, held)), next_cursor: null };
  }
}
