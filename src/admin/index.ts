export * from './admin-tenants.module.js';
export { AdminJobsModule } from './jobs/admin-jobs.module.js';
