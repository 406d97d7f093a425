import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Res } from '@nestjs/common';
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
import { RequiresPlatformPermission } from '../../auth/index.js';
import { DEFAULT_SERVER } from '../../tenancy/index.js';
import { ServerRegistry } from '../../tenant/index.js';
import { AddServerRequest, ChangeServerRequest, ServerListView, ServerView } from './server.dto.js';

const SERVER_PARAM = { name: 'server', schema: { type: 'string' as const, example: DEFAULT_SERVER } };

@ApiTags('servers')
@ApiBearerAuth('bearer')
@Controller('api/admin/servers')
export class ServersController {
  constructor(private readonly servers: ServerRegistry) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('server:read')
  @ApiOperation({ summary: 'The servers that tenants are placed on', description: 'Their URLs are never shown.' })
  @ApiOkResponse({ type: ServerListView })
  async list(): Promise<ServerListView> {
    return { items: (await this.servers.list()).map((server) => ServerView.of(server)), next_cursor: null };
  }

  @Post()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('server:write')
  @ApiOperation({
    summary: 'Add a server',
    description: 'Roles and shared tables are made there before the answer. The URL is kept encrypted.',
  })
  @ApiCreatedResponse({ type: ServerView })
  async add(@Body() body: AddServerRequest, @Res({ passthrough: true }) response: Response): Promise<ServerView> {
    const { direct_url: directUrl, ...server } = body;
    const added = ServerView.of(await this.servers.add({ ...server, directUrl }));
    response.setHeader('Location', `/api/admin/servers/${added.name}`);
    return added;
  }

  @Get(':server')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('server:read')
  @ApiOperation({ summary: 'One server' })
  @ApiParam(SERVER_PARAM)
  @ApiOkResponse({ type: ServerView })
  async find(@Param('server') name: string): Promise<ServerView> {
    return ServerView.of(await this.servers.find(name));
  }

  @Patch(':server')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('server:write')
  @ApiOperation({ summary: 'Change which new tenants come to a server', description: 'Those that are there stay.' })
  @ApiParam(SERVER_PARAM)
  @ApiOkResponse({ type: ServerView })
  async change(@Param('server') name: string, @Body() body: ChangeServerRequest): Promise<ServerView> {
    return ServerView.of(await this.servers.edit(name, body));
  }

  @Delete(':server')
  @HttpCode(204)
  @RequiresPlatformPermission('server:write')
  @ApiOperation({ summary: 'Forget a server that nothing is on any more' })
  @ApiParam(SERVER_PARAM)
  @ApiNoContentResponse()
  async remove(@Param('server') name: string): Promise<void> {
    await this.servers.remove(name);
  }
}
