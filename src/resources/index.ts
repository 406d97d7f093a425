export { ResourceUnavailable } from './resources.errors.js';
export type { ResourceHealth } from './resource.pool.js';
export { ResourcesModule } from './resources.module.js';
export { type ResourceDeclaration, type TenantResource, TenantResources } from './tenant.resources.js';
