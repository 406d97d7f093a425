import { Module } from '@nestjs/common';
import { ServersController } from './servers/servers.controller.js';
import { ArchivesController } from './tenants/archives.controller.js';
import { BackupsController } from './tenants/backups.controller.js';
import { HistoryController } from './tenants/history.controller.js';
import { LifecycleController } from './tenants/lifecycle.controller.js';
import { MovesController } from './tenants/moves.controller.js';
import { PlansController } from './tenants/plans.controller.js';
import { RestoresController } from './tenants/restores.controller.js';
import { ScheduleController } from './tenants/schedule.controller.js';
import { TenantsController } from './tenants/tenants.controller.js';

/** Tenants, plans and servers, for platform admins. */
@Module({
  controllers: [
    ArchivesController,
    BackupsController,
    TenantsController,
    HistoryController,
    LifecycleController,
    MovesController,
    PlansController,
    RestoresController,
    ScheduleController,
    ServersController,
  ],
})
export class AdminTenantsModule {}
