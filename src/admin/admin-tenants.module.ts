import { Module } from '@nestjs/common';
import { LifecycleController } from './tenants/lifecycle.controller.js';
import { PlansController } from './tenants/plans.controller.js';
import { ScheduleController } from './tenants/schedule.controller.js';
import { TenantsController } from './tenants/tenants.controller.js';

/** Tenants and plans, for platform admins. */
@Module({ controllers: [TenantsController, LifecycleController, PlansController, ScheduleController] })
export class AdminTenantsModule {}
