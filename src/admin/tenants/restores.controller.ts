import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, adminOf, RequiresPlatformPermission } from '../../auth/index.js';
import { parseLimit } from '../../common/index.js';
import { ApiIdempotencyKey, ApiNamedTenant, ApiPaging } from '../../http/index.js';
import { PlatformIdempotency } from '../../idempotency/index.js';
import { RestoreDifferences, RestoreWorker, TenantRestores, TenantStore } from '../../tenant/index.js';
import { DifferingRowsView, RestoreListView, RestoreRequest, RestoreView, SwapRequest } from './restore.dto.js';

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/restores')
export class RestoresController {
  constructor(
    private readonly restores: TenantRestores,
    private readonly differences: RestoreDifferences,
    private readonly worker: RestoreWorker,
    private readonly store: TenantStore,
    private readonly idempotency: PlatformIdempotency,
  ) {}

  @Post()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:restore')
  @ApiOperation({
    summary: 'Restore a tenant from one of its backups, or as of a moment, beside its present rows',
    description:
      'Answers at once. The tenant is served as before, and told row by row what a swap would change. One at a time: 409 `restore_open`; 409 `backups_off` without BACKUP_DIR and BACKUP_S3_BUCKET.',
  })
  @ApiNamedTenant()
  @ApiIdempotencyKey()
  @ApiAcceptedResponse({ type: RestoreView })
  async begin(
    @Param('tenant') name: string,
    @Body() body: RestoreRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RestoreView> {
    const wish = RestoreRequest.wishOf(body);
    const { id, slug } = await this.store.find(name);
    const view = await this.idempotency.execute(
      { key: request.get('idempotency-key'), scope: `restores:${id}:${adminOf(request).id}`, body },
      async (manager) => RestoreView.of(await this.restores.beginWithin(manager, id, wish)),
    );
    this.worker.wake();
    response.setHeader('Location', `/api/admin/tenants/${slug}/restores/${view.id}`);
    return view;
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: "A tenant's restores, newest first" })
  @ApiNamedTenant()
  @ApiPaging(200)
  @ApiOkResponse({ type: RestoreListView })
  async list(
    @Param('tenant') name: string,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<RestoreListView> {
    const page = await this.restores.list(name, parseLimit(limit, 50, 200), cursor);
    return { ...page, items: page.items.map((one) => RestoreView.of(one)) };
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'One restore of a tenant, and what its swap would change' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: RestoreView })
  async read(@Param('tenant') name: string, @Param('id') id: string): Promise<RestoreView> {
    return RestoreView.of(await this.restores.find(name, id));
  }

  @Get(':id/differences')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:restore')
  @ApiOperation({
    summary: 'The rows that a swap would change, as of now',
    description:
      'Of a restore that is ready. No values, only names of columns. A page may have fewer rows than there are, or none: ' +
      'the end is where `next_cursor` is null.',
  })
  @ApiNamedTenant()
  @ApiQuery({ name: 'table', required: false, schema: { type: 'string', example: 'users' } })
  @ApiPaging(200)
  @ApiOkResponse({ type: DifferingRowsView })
  async listDifferences(
    @Param('tenant') name: string,
    @Param('id') id: string,
    @Query('table') table?: string,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<DifferingRowsView> {
    const wanted = parseLimit(limit, 50, 200);
    return this.differences.list(await this.restores.find(name, id), { table, cursor, limit: wanted });
  }

  @Post(':id/swap')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:restore')
  @ApiOperation({
    summary: 'Have a tenant served from what was restored',
    description:
      'Answers at once. A backup of the present rows is made first, `undo_backup_id`. Requests wait briefly; people sign in anew.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: RestoreView })
  async swap(@Param('tenant') name: string, @Param('id') id: string, @Body() body: SwapRequest): Promise<RestoreView> {
    return RestoreView.of(await this.restores.swap(name, id, body.confirm));
  }

  @Delete(':id')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:restore')
  @ApiOperation({
    summary: 'Discard a restore',
    description: 'What was restored is dropped. 409 `restore_not_ready` when it is being swapped in, or over.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: RestoreView })
  async discard(@Param('tenant') name: string, @Param('id') id: string): Promise<RestoreView> {
    return RestoreView.of(await this.restores.discard(name, id));
  }
}
