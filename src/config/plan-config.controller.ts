import { applyDecorators, Controller } from '@nestjs/common';
import { ApiBearerAuth, ApiParam, ApiTags } from '@nestjs/swagger';
import { type AccessRequest, RequiresPlatformPermission } from '../auth/index.js';
import { PlanRegistry, PLANS } from '../tenant/index.js';
import { adminCaller, type ConfigCaller } from './config.caller.js';
import { configRoutes } from './config.routes.js';

const WRITE = 'plan:write';
const Plan = () => ApiParam({ name: 'plan', enum: PLANS, schema: { type: 'string', example: 'free' } });
// On each route: what stands on the class is not inherited by the document.
const Routes = configRoutes(
  'a plan',
  () => applyDecorators(RequiresPlatformPermission('tenant:read'), Plan()),
  () => applyDecorators(RequiresPlatformPermission(WRITE), Plan()),
);

@ApiTags('config')
@ApiBearerAuth('bearer')
@Controller('api/admin/plans/:plan/config')
export class PlanConfigController extends Routes {
  constructor(private readonly plans: PlanRegistry) {
    super();
  }

  async callerOf(request: AccessRequest): Promise<ConfigCaller> {
    const { name } = await this.plans.find(String(request.params['plan']));
    return adminCaller(request, { scope: 'plan', name }, WRITE);
  }
}
