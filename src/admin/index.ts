export * from './admin-tenants.module.js';
export { AdminJobsModule } from './jobs/admin-jobs.module.js';
export { revisionOf } from './etag.js';
export { ChangePlanRequest, PlanView } from './tenants/plans.controller.js';
export { editOf, newTenantOf } from './tenants/requested.tenant.js';
export {
  ChangeTenantRequest,
  CreateTenantRequest,
  SuspendRequest,
  TenantDetails,
  TenantListQuery,
  TenantPageView,
  TenantView,
} from './tenants/tenant.dto.js';
