import { Controller } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { type AccessRequest, RequiresPermission } from '../auth/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { type ConfigCaller, ownCaller } from './config.caller.js';
import { SETTINGS_READ, SETTINGS_WRITE } from './config.permissions.js';
import { configRoutes } from './config.routes.js';

const Routes = configRoutes(
  'the tenant',
  () => RequiresPermission(SETTINGS_READ),
  () => RequiresPermission(SETTINGS_WRITE),
);

@ApiTags('config')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/config')
export class ConfigController extends Routes {
  callerOf(request: AccessRequest): ConfigCaller {
    return ownCaller(request);
  }
}
