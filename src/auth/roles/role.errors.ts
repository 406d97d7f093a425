import { AppError } from '../../common/index.js';

export class UnknownRole extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'role_not_found',
      detail: 'There is no role of this name.',
      remedy: 'See GET /api/roles for those there are.',
    });
  }
}

export class RoleBuiltIn extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'role_built_in',
      detail: 'Built-in roles can be neither changed nor deleted.',
      remedy: 'Compose a role of your own with POST /api/roles.',
    });
  }
}

export class RoleNameTaken extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'role_name_taken',
      detail: 'There is a role of this name already.',
      remedy: 'Choose another name, or change that role with PATCH.',
    });
  }
}

export class TooManyRoles extends AppError {
  /** @param max roles of its own that a tenant may have */
  constructor(max: number) {
    super({
      status: 409,
      code: 'too_many_roles',
      detail: `A tenant composes at most ${max} roles.`,
      remedy: 'Delete one that nobody holds.',
    });
  }
}

export class RoleInUse extends AppError {
  constructor(users: number, invitations: number) {
    super({
      status: 409,
      code: 'role_in_use',
      detail: `The role is held by ${users} user(s) and ${invitations} open invitation(s).`,
      remedy: 'Give them another role, or revoke the invitations, then delete it.',
      extensions: { users, invitations },
    });
  }
}
