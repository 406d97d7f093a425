import { Body, Controller, Get, Header, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
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
import { ApiPaging } from '../../http/index.js';
import { RequiresPlatformPermission } from '../access/access.decorator.js';
import type { AccessRequest } from '../access/principal.js';
import {
  AdminPage,
  AdminView,
  ChangeAdminRequest,
  CreateAdminRequest,
  CreatedAdmin,
  ResetSecondFactorRequest,
} from './admins.dto.js';
import { AdminsService } from './admins.service.js';
import { PlatformAdminStore } from './platform-admin.store.js';
import { adminOf } from '../access/caller.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/admins')
export class AdminsController {
  constructor(
    private readonly admins: AdminsService,
    private readonly store: PlatformAdminStore,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-admin:read')
  @ApiOperation({ summary: 'Platform admins, oldest first' })
  @ApiPaging(200)
  @ApiOkResponse({ type: AdminPage })
  async list(@Query('limit') limit?: string, @Query('cursor') cursor?: string): Promise<AdminPage> {
    const page = await this.store.page(parseLimit(limit, 50, 200), cursor);
    return { ...page, items: page.items.map((admin) => AdminView.of(admin)) };
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-admin:read')
  @ApiOperation({ summary: 'One platform admin' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminView })
  async read(@Param('id') id: string): Promise<AdminView> {
    return AdminView.of(await this.admins.find(id));
  }

  @Post()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-admin:write')
  @ApiOperation({
    summary: 'Add a platform admin',
    description: 'The answer holds a one-time password, which nobody sees again and its owner has to change.',
  })
  @ApiCreatedResponse({ type: CreatedAdmin })
  async create(
    @Body() body: CreateAdminRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CreatedAdmin> {
    const { admin, oneTimePassword } = await this.admins.create(adminOf(request).id, body);
    response.setHeader('Location', `/api/admin/admins/${admin.id}`);
    return { ...AdminView.of(admin), one_time_password: oneTimePassword };
  }

  @Post(':id/reset-second-factor')
  @HttpCode(204)
  @RequiresPlatformPermission('platform-admin:write')
  @ApiOperation({
    summary: 'Take the second factor from a platform admin who has lost it',
    description: 'Signs them out everywhere; their next sign-in sets up another. Nobody does it to themselves.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async resetSecondFactor(
    @Param('id') id: string,
    @Body() { reason }: ResetSecondFactorRequest,
    @Req() request: AccessRequest,
  ): Promise<void> {
    await this.admins.resetSecondFactor(adminOf(request).id, id, reason);
  }

  @Patch(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-admin:write')
  @ApiOperation({
    summary: 'Rename a platform admin, give another role, disable or re-enable',
    description: 'A changed role or status is in force within a second everywhere; disabling signs out everywhere.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminView })
  async change(
    @Param('id') id: string,
    @Body() body: ChangeAdminRequest,
    @Req() request: AccessRequest,
  ): Promise<AdminView> {
    return AdminView.of(await this.admins.change(adminOf(request).id, id, body));
  }
}
