import { Body, Controller, Get, Header, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { CursorInvalid, parseLimit } from '../../common/index.js';
import { CredentialCodec, NO_TENANT } from '../../tenancy/index.js';
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
import { adminOf } from './platform-sign-in.controller.js';

/** Whose cursors they are. */
const CURSOR_OWNER = 'platform-admins';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/admins')
export class AdminsController {
  constructor(
    private readonly admins: AdminsService,
    private readonly store: PlatformAdminStore,
    private readonly credentials: CredentialCodec,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-admin:read')
  @ApiOperation({ summary: 'Platform admins, oldest first' })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: AdminPage })
  async list(@Query('limit') limitText?: string, @Query('cursor') cursor?: string): Promise<AdminPage> {
    const limit = parseLimit(limitText, 50, 200);
    const after = cursor === undefined ? NO_TENANT : this.credentials.openCursor(NO_TENANT, CURSOR_OWNER, cursor);
    if (after === undefined) throw new CursorInvalid();
    const rows = await this.store.page(after, limit + 1);
    const last = rows[limit - 1];
    const more = rows.length > limit && last !== undefined;
    return {
      items: rows.slice(0, limit).map((admin) => AdminView.of(admin)),
      next_cursor: more ? this.credentials.sealCursor(NO_TENANT, CURSOR_OWNER, last.id) : null,
    };
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
