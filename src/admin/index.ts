export * from './admin-tenants.module.js';
export { AdminJobsModule } from './jobs/admin-jobs.module.js';
export { revisionOf } from './etag.js';
export { AddServerRequest, ChangeServerRequest, ServerView } from './servers/server.dto.js';
export { ChangePlanRequest, PlanView } from './tenants/plans.controller.js';
export { editOf, newTenantOf } from './tenants/requested.tenant.js';
export { TenantListQuery, TenantPageView } from './tenants/tenant-list.dto.js';
export { ChangeTenantRequest, CreateTenantRequest, SuspendRequest } from './tenants/tenant-request.dto.js';
export { TenantDetails, TenantView } from './tenants/tenant-view.dto.js';
