import { applyDecorators, Controller } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { type AccessRequest, RequiresPlatformPermission } from '../auth/index.js';
import { ApiNamedTenant } from '../http/index.js';
import { TenantStore } from '../tenant/index.js';
import { adminCaller, type ConfigCaller } from './config.caller.js';
import { configRoutes } from './config.routes.js';

const WRITE = 'tenant:write';
// On each route: what stands on the class is not inherited by the document.
const Routes = configRoutes(
  'any tenant',
  () => applyDecorators(RequiresPlatformPermission('tenant:read'), ApiNamedTenant()),
  () => applyDecorators(RequiresPlatformPermission(WRITE), ApiNamedTenant()),
);

@ApiTags('config')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/config')
export class TenantConfigController extends Routes {
  constructor(private readonly tenants: TenantStore) {
    super();
  }

  async callerOf(request: AccessRequest): Promise<ConfigCaller> {
    const { id } = await this.tenants.find(String(request.params['tenant']));
    return adminCaller(request, { scope: 'tenant', id }, WRITE);
  }
}
