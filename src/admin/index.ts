export { AdminJobsModule } from './jobs/admin-jobs.module.js';
