export { type AdminJob, JobAdministration, type JobFilter, JOB_STATES, type JobState } from './job.administration.js';
export {
  type CronOptions,
  type JobOptions,
  type JobRun,
  PlatformCron,
  PlatformJobHandler,
  TenantCron,
  TenantJobHandler,
} from './job.decorators.js';
export { JobErasure } from './job.erasure.js';
export { JobFailure, JobNotFound, JobPayloadInvalid, JobStateConflict, UnknownJob } from './job.errors.js';
export type { JobPriority } from './job.lanes.js';
export { JobsModule } from './jobs.module.js';
export { PlatformJobs } from './platform-jobs.service.js';
export { type EnqueueOptions, TenantJobs } from './tenant-jobs.service.js';
