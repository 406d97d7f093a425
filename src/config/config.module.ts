import { Module } from '@nestjs/common';
import { AdminConfigController } from './admin-config.controller.js';
import { ConfigController } from './config.controller.js';
import { ConfigService } from './config.service.js';
import { PlanConfigController } from './plan-config.controller.js';
import { TenantConfigController } from './tenant-config.controller.js';

/** The HTTP face of settings: the tenant's own, and for platform admins those of any tenant, of plans and of the platform. */
@Module({
  controllers: [ConfigController, TenantConfigController, PlanConfigController, AdminConfigController],
  providers: [ConfigService],
})
export class ConfigModule {}
