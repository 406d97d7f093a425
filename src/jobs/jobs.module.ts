import { Global, Module } from '@nestjs/common';
import { DiscoveryModule, MetadataScanner } from '@nestjs/core';
import { CronRegister } from './cron.register.js';
import { JobAdder } from './job.adder.js';
import { JobAdministration } from './job.administration.js';
import { JobCrons } from './job.crons.js';
import { JobEngine } from './job.engine.js';
import { JobErasure } from './job.erasure.js';
import { JobEnvelopes } from './job.envelope.js';
import { JobLanes } from './job.lanes.js';
import { JobMetrics } from './job.metrics.js';
import { JobRegistry } from './job.registry.js';
import { JobRunner } from './job.runner.js';
import { JobStore } from './job.store.js';
import { JobWorker } from './job.worker.js';
import { PlatformJobs } from './platform-jobs.service.js';
import { TenantJobs } from './tenant-jobs.service.js';

@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    MetadataScanner,
    CronRegister,
    JobRegistry,
    JobEngine,
    JobEnvelopes,
    JobErasure,
    JobLanes,
    JobStore,
    JobAdder,
    JobMetrics,
    JobRunner,
    JobWorker,
    JobCrons,
    JobAdministration,
    TenantJobs,
    PlatformJobs,
  ],
  exports: [TenantJobs, PlatformJobs, JobAdministration, JobErasure],
})
export class JobsModule {}
