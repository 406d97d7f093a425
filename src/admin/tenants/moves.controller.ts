import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, adminOf, RequiresPlatformPermission } from '../../auth/index.js';
import { parseLimit } from '../../common/index.js';
import { ApiIdempotencyKey, ApiNamedTenant, ApiPaging } from '../../http/index.js';
import { PlatformIdempotency } from '../../idempotency/index.js';
import { MoveWorker, TenantMoves, TenantStore } from '../../tenant/index.js';
import { MoveListView, MoveRequest, MoveView } from './move.dto.js';

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant')
export class MovesController {
  constructor(
    private readonly moves: TenantMoves,
    private readonly worker: MoveWorker,
    private readonly store: TenantStore,
    private readonly idempotency: PlatformIdempotency,
  ) {}

  @Post('move')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Move a tenant to another isolation or server',
    description:
      'Answers at once. The tenant works on while its rows are copied; at the switch its requests wait briefly.',
  })
  @ApiNamedTenant()
  @ApiIdempotencyKey()
  @ApiAcceptedResponse({ type: MoveView })
  async begin(
    @Param('tenant') name: string,
    @Body() body: MoveRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MoveView> {
    const { id, slug } = await this.store.find(name);
    const view = await this.idempotency.execute(
      { key: request.get('idempotency-key'), scope: `moves:${id}:${adminOf(request).id}`, body },
      async (manager) => MoveView.of(await this.moves.beginWithin(manager, id, body)),
    );
    this.worker.wake();
    response.setHeader('Location', `/api/admin/tenants/${slug}/move`);
    return view;
  }

  @Get('move')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: "A tenant's move: the one under way, or else the last one" })
  @ApiNamedTenant()
  @ApiOkResponse({ type: MoveView })
  async present(@Param('tenant') name: string): Promise<MoveView> {
    return MoveView.of(await this.moves.present(name));
  }

  @Get('moves')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: "A tenant's moves, newest first" })
  @ApiNamedTenant()
  @ApiPaging(200)
  @ApiOkResponse({ type: MoveListView })
  async list(
    @Param('tenant') name: string,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<MoveListView> {
    const page = await this.moves.list(name, parseLimit(limit, 50, 200), cursor);
    return { ...page, items: page.items.map((one) => MoveView.of(one)) };
  }

  @Delete('move')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Abort a move',
    description: 'The tenant stays where it is. 409 `move_over` when it has left that place already.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: MoveView })
  async abort(@Param('tenant') name: string): Promise<MoveView> {
    return MoveView.of(await this.moves.abort(name));
  }
}
