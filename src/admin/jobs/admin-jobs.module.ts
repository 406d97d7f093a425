import { Module } from '@nestjs/common';
import { AdminJobsController } from './admin-jobs.controller.js';
import { AdminOutboxController } from './admin-outbox.controller.js';

@Module({ controllers: [AdminJobsController, AdminOutboxController] })
export class AdminJobsModule {}
