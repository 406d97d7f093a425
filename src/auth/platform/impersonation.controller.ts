import { Body, Controller, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
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
  ImpersonationPage,
  ImpersonationRequest,
  ImpersonationToken,
  ImpersonationView,
  StartedImpersonation,
} from './impersonation.dto.js';
import { ImpersonationService } from './impersonation.service.js';
import { ImpersonationStore } from './impersonation.store.js';
import { adminOf } from '../access/caller.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/impersonations')
export class ImpersonationController {
  constructor(
    private readonly impersonations: ImpersonationService,
    private readonly store: ImpersonationStore,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('impersonation:read')
  @ApiOperation({ summary: 'Impersonations in all tenants, newest first' })
  @ApiPaging(200)
  @ApiOkResponse({ type: ImpersonationPage })
  async list(@Query('limit') limit?: string, @Query('cursor') cursor?: string): Promise<ImpersonationPage> {
    const page = await this.store.page(undefined, parseLimit(limit, 50, 200), cursor);
    return { items: page.items.map((row) => ImpersonationView.of(row)), next_cursor: page.next_cursor };
  }

  @Post()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('impersonation:create')
  @ApiOperation({
    summary: 'Act as a user of a tenant',
    description:
      "The tenant's owners are told by mail. Where the tenant wants to be asked, the status is `pending` and the token " +
      'comes from `POST …/{id}/token` once it has agreed.',
  })
  @ApiCreatedResponse({ type: StartedImpersonation })
  async start(
    @Body() body: ImpersonationRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StartedImpersonation> {
    const { row, token } = await this.impersonations.start(adminOf(request), {
      tenant: body.tenant,
      userId: body.user_id,
      reason: body.reason,
      minutes: ImpersonationRequest.minutesOf(body),
    });
    response.setHeader('Location', `/api/admin/impersonations/${row.id}`);
    return { ...ImpersonationView.of(row), ...(token && ImpersonationToken.of(token)) };
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('impersonation:read')
  @ApiOperation({ summary: 'One impersonation' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ImpersonationView })
  async read(@Param('id') id: string): Promise<ImpersonationView> {
    return ImpersonationView.of(await this.impersonations.find(id));
  }

  @Post(':id/token')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('impersonation:create')
  @ApiOperation({ summary: 'The token of an own impersonation that is in force' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ImpersonationToken })
  async token(@Param('id') id: string, @Req() request: AccessRequest): Promise<ImpersonationToken> {
    return ImpersonationToken.of(await this.impersonations.token(adminOf(request), id));
  }

  @Post(':id/end')
  @HttpCode(204)
  @RequiresPlatformPermission('impersonation:create')
  @ApiOperation({ summary: 'End an impersonation', description: 'In force within a second everywhere.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async end(@Param('id') id: string): Promise<void> {
    await this.impersonations.endByPlatform(id);
  }
}
