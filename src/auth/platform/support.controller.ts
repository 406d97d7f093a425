import { Controller, Get, Header, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { parseLimit } from '../../common/index.js';
import { ApiPaging, ApiTenantHeader } from '../../http/index.js';
import { TenantContext, TenantRunner } from '../../tenancy/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { declarePermission } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { personOf } from '../access/caller.js';
import { SupportPage, SupportView } from './impersonation.dto.js';
import { ImpersonationService } from './impersonation.service.js';
import { ImpersonationStore } from './impersonation.store.js';

export const SUPPORT_READ = declarePermission({
  name: 'support:read',
  about: 'See which platform admins act, or ask to act, as users of the tenant',
  roles: ['admin'],
});

export const SUPPORT_CONSENT = declarePermission({
  name: 'support:consent',
  about: 'Agree to, refuse and end the impersonation of users of the tenant',
  roles: ['admin'],
  peopleOnly: true,
  sensitive: true,
});

/** What a tenant has to say about platform admins who act as its users. */
@ApiTags('support')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/impersonations')
export class SupportController {
  constructor(
    private readonly impersonations: ImpersonationService,
    private readonly store: ImpersonationStore,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SUPPORT_READ)
  @ApiOperation({ summary: 'Who acts, acted or asks to act as a user of the tenant, newest first' })
  @ApiPaging(200)
  @ApiOkResponse({ type: SupportPage })
  async list(@Query('limit') limitText?: string, @Query('cursor') cursor?: string): Promise<SupportPage> {
    const { id } = this.context.currentOrThrow('Impersonations');
    const limit = parseLimit(limitText, 50, 200);
    const page = await this.runner.runAsPlatform('impersonations', () => this.store.page(id, limit, cursor));
    return { items: page.items.map((row) => SupportView.of(row)), next_cursor: page.next_cursor };
  }

  @Post(':id/approve')
  @HttpCode(200)
  @RequiresPermission(SUPPORT_CONSENT)
  @ApiOperation({ summary: 'Agree to an impersonation', description: 'Its minutes begin now.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: SupportView })
  async approve(@Param('id') id: string, @Req() request: AccessRequest): Promise<SupportView> {
    return SupportView.of(await this.impersonations.approve(personOf(request).id, id));
  }

  @Post(':id/refuse')
  @HttpCode(200)
  @RequiresPermission(SUPPORT_CONSENT)
  @ApiOperation({ summary: 'Refuse an impersonation' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: SupportView })
  async refuse(@Param('id') id: string, @Req() request: AccessRequest): Promise<SupportView> {
    return SupportView.of(await this.impersonations.refuse(personOf(request).id, id));
  }

  @Post(':id/end')
  @HttpCode(204)
  @RequiresPermission(SUPPORT_CONSENT)
  @ApiOperation({ summary: 'End an impersonation', description: 'In force within a second everywhere.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async end(@Param('id') id: string): Promise<void> {
    await this.impersonations.endByTenant(id);
  }
}
