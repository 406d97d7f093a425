import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../auth/index.js';
import { ApiNamedTenant } from '../http/index.js';
import { TenantResources } from '../resources/index.js';
import { TenantDirectory } from '../tenancy/index.js';
import { TenantStore, UnknownTenant } from '../tenant/index.js';
import { ProcessResourcesView } from './resources.dto.js';

/** What platform admins see of what is made of a tenant's settings. */
@ApiTags('config')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/resources')
export class TenantResourcesController {
  constructor(
    private readonly tenants: TenantStore,
    private readonly directory: TenantDirectory,
    private readonly resources: TenantResources,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'How servers and services of a tenant are' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: ProcessResourcesView })
  async list(@Param('tenant') name: string): Promise<ProcessResourcesView> {
    const { id } = await this.tenants.find(name);
    const tenant = await this.directory.findById(id);
    if (!tenant) throw new UnknownTenant();
    return ProcessResourcesView.of(await this.resources.reportsOf(tenant));
  }
}
