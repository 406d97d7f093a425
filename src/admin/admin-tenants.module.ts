import { Module } from '@nestjs/common';
import { ServersController } from './servers/servers.controller.js';
import { LifecycleController } from './tenants/lifecycle.controller.js';
import { PlansController } from './tenants/plans.controller.js';
import { ScheduleController } from './tenants/schedule.controller.js';
import { TenantsController } from './tenants/tenants.controller.js';

/** Tenants, plans and servers, for platform admins. */
@Module({
  controllers: [TenantsController, LifecycleController, PlansController, ScheduleController, ServersController],
})
export class AdminTenantsModule {}
