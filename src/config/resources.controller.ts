import { Controller, Get, Header, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { RequiresPermission } from '../auth/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { TenantResources } from '../resources/index.js';
import { TenantContext } from '../tenancy/index.js';
import { SETTINGS_READ, SETTINGS_WRITE } from './config.permissions.js';
import { ResourceListView, ResourceView } from './resources.dto.js';

/** What a tenant's own admins see of what is made of their settings. */
@ApiTags('config')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/resources')
export class ResourcesController {
  constructor(
    private readonly resources: TenantResources,
    private readonly context: TenantContext,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SETTINGS_READ)
  @ApiOperation({ summary: 'How servers and services of your own are, that your settings name' })
  @ApiOkResponse({ type: ResourceListView })
  async list(): Promise<ResourceListView> {
    return ResourceListView.of(await this.resources.reportsOf(this.context.currentOrThrow('Resources')));
  }

  @Post(':name/check')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SETTINGS_WRITE)
  @ApiOperation({
    summary: 'Try out whether a server or service of your own works with your settings',
    description: 'What has failed is not tried again within 5 s with the same settings; its error is told again.',
  })
  @ApiParam({ name: 'name', schema: { type: 'string', example: 'mail_server' } })
  @ApiOkResponse({ type: ResourceView })
  async check(@Param('name') name: string): Promise<ResourceView> {
    return ResourceView.of(await this.resources.check(name));
  }
}
