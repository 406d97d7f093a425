import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
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
import { parseLimit } from '../../common/index.js';
import { ApiFieldFilters, FieldFilterQuery, type FieldQuery, USER_FIELDS } from '../../fields/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { TenantSettings } from '../../settings/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { callerOf, locate } from '../access/caller.js';
import type { AccessRequest } from '../access/principal.js';
import { ChangeUserRequest, CreateUserRequest, UserListQuery, UserPage, UserView } from './user.dto.js';
import type { User } from './user.entity.js';
import { USER_DELETE, USER_READ, USER_WRITE } from './user.permissions.js';
import { UsersQuery } from './users.query.js';
import { UsersService } from './users.service.js';

const Id = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });

@ApiTags('users')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly people: UsersQuery,
    private readonly settings: TenantSettings,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(USER_READ)
  @ApiOperation({ summary: 'The people of the tenant, in the order in which they came' })
  @ApiFieldFilters()
  @ApiOkResponse({ type: UserPage })
  async list(
    @Query() { cursor, limit, ...filter }: UserListQuery,
    @FieldFilterQuery() fields: FieldQuery,
  ): Promise<UserPage> {
    const page = await this.people.list({ ...filter, fields }, parseLimit(limit, 50, 200), cursor);
    return UserPage.of(page, this.settings.get(USER_FIELDS));
  }

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(USER_WRITE)
  @ApiOperation({
    summary: 'Add a person',
    description:
      'They have no password yet: a mail takes them to where they set one, for seven days. Not for API keys with an ' +
      'expiry or address ranges.',
  })
  @ApiCreatedResponse({ type: UserView })
  async create(
    @Body() body: CreateUserRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UserView> {
    const { custom_fields: customFields, ...given } = body;
    const user = await this.users.create(callerOf(request), { ...given, customFields });
    locate(request, response, user.id);
    return this.view(user);
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(USER_READ)
  @Id()
  @ApiOperation({ summary: 'A person of the tenant' })
  @ApiOkResponse({ type: UserView })
  async find(@Param('id') id: string): Promise<UserView> {
    return this.view(await this.people.find(id));
  }

  @Patch(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(USER_WRITE)
  @Id()
  @ApiOperation({
    summary: 'Change, disable or enable a person',
    description:
      'Only people who hold nothing that the caller lacks, and only to roles of which that is true as well. ' +
      'The last active owner stays one. An API key with an expiry or address ranges changes neither role nor address.',
  })
  @ApiOkResponse({ type: UserView })
  async change(
    @Param('id') id: string,
    @Body() body: ChangeUserRequest,
    @Req() request: AccessRequest,
  ): Promise<UserView> {
    const { custom_fields: customFields, ...changes } = body;
    return this.view(await this.users.change(callerOf(request), id, { ...changes, customFields }));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(USER_DELETE)
  @Id()
  @ApiOperation({ summary: 'Delete a person, who is signed out everywhere' })
  @ApiNoContentResponse()
  remove(@Param('id') id: string, @Req() request: AccessRequest): Promise<void> {
    return this.users.remove(callerOf(request), id);
  }

  private view(user: User): UserView {
    return UserView.of(user, this.settings.get(USER_FIELDS));
  }
}
