import { Module } from '@nestjs/common';
import { AdminConfigController } from './admin-config.controller.js';
import { ConfigController } from './config.controller.js';
import { ConfigService } from './config.service.js';
import { PlanConfigController } from './plan-config.controller.js';
import { ResourcesController } from './resources.controller.js';
import { TenantConfigController } from './tenant-config.controller.js';
import { TenantResourcesController } from './tenant-resources.controller.js';

/** The HTTP face of settings and of what is made of them: the tenant's own, and for platform admins those of any tenant, of plans and of the platform. */
@Module({
  controllers: [
    ConfigController,
    TenantConfigController,
    PlanConfigController,
    AdminConfigController,
    ResourcesController,
    TenantResourcesController,
  ],
  providers: [ConfigService],
})
export class ConfigModule {}
