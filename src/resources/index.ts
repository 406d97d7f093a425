export { ResourceUnavailable } from './resources.errors.js';
export { RESOURCE_STATES, type ResourceHealth, type ResourceState } from './resource.pool.js';
export { ResourceStates } from './resource.states.js';
export { ResourcesModule } from './resources.module.js';
export {
  type ResourceDeclaration,
  type ResourceReport,
  type TenantResource,
  TenantResources,
} from './tenant.resources.js';
