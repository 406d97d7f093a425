import { Controller } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { type AccessRequest, RequiresPlatformPermission } from '../auth/index.js';
import { adminCaller, type ConfigCaller } from './config.caller.js';
import { configRoutes } from './config.routes.js';

const WRITE = 'platform-settings:write';
const Routes = configRoutes(
  'the platform',
  () => RequiresPlatformPermission('platform-settings:read'),
  () => RequiresPlatformPermission(WRITE),
);

@ApiTags('config')
@ApiBearerAuth('bearer')
@Controller('api/admin/config')
export class AdminConfigController extends Routes {
  callerOf(request: AccessRequest): ConfigCaller {
    return adminCaller(request, { scope: 'platform' }, WRITE);
  }
}
