import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiTenantHeader } from '../../http/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { callerOf, locate } from '../access/caller.js';
import { isBuiltInRole } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { ChangeRoleRequest, CreateRoleRequest, PermissionPage, ROLE_NAME, RolePage, RoleView } from './role.dto.js';
import { UnknownRole } from './role.errors.js';
import { ROLE_READ, ROLE_WRITE } from './role.permissions.js';
import { RolesService } from './roles.service.js';

const Name = () => ApiParam({ name: 'name', example: 'auditor' });

@ApiTags('roles')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api')
export class RolesController {
  constructor(private readonly roles: RolesService) {}

  @Get('permissions')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ROLE_READ)
  @ApiOperation({ summary: 'The permissions there are, and which of them the caller holds' })
  @ApiOkResponse({ type: PermissionPage })
  permissions(@Req() request: AccessRequest): PermissionPage {
    return PermissionPage.of(callerOf(request).permissions);
  }

  @Get('roles')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ROLE_READ)
  @ApiOperation({ summary: "The built-in roles and the tenant's own" })
  @ApiOkResponse({ type: RolePage })
  async list(): Promise<RolePage> {
    return RolePage.of(await this.roles.list());
  }

  @Post('roles')
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ROLE_WRITE)
  @ApiOperation({ summary: 'Compose a role', description: 'From permissions that the caller holds.' })
  @ApiCreatedResponse({ type: RoleView })
  async create(
    @Body() body: CreateRoleRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RoleView> {
    const role = await this.roles.create(callerOf(request), body);
    locate(request, response, role.name);
    return RoleView.of(role);
  }

  @Get('roles/:name')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ROLE_READ)
  @Name()
  @ApiOperation({ summary: 'A role' })
  @ApiOkResponse({ type: RoleView })
  async find(@Param('name') name: string): Promise<RoleView> {
    return isBuiltInRole(name) ? RoleView.ofBuiltIn(name) : RoleView.of(await this.roles.find(named(name)));
  }

  @Patch('roles/:name')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ROLE_WRITE)
  @Name()
  @ApiOperation({
    summary: 'Change a role',
    description: 'For all who hold it, at once. The caller holds what the role had as well as what it gets.',
  })
  @ApiOkResponse({ type: RoleView })
  async change(
    @Param('name') name: string,
    @Body() body: ChangeRoleRequest,
    @Req() request: AccessRequest,
  ): Promise<RoleView> {
    return RoleView.of(await this.roles.change(callerOf(request), named(name), body));
  }

  @Delete('roles/:name')
  @HttpCode(204)
  @RequiresPermission(ROLE_WRITE)
  @Name()
  @ApiOperation({ summary: 'Delete a role that no user and no open invitation holds' })
  @ApiNoContentResponse()
  remove(@Param('name') name: string, @Req() request: AccessRequest): Promise<void> {
    return this.roles.remove(callerOf(request), named(name));
  }
}

/** Anything else is no role and never reaches the database. @throws UnknownRole */
function named(name: string): string {
  if (!ROLE_NAME.test(name)) throw new UnknownRole();
  return name;
}
