export * from './demo.js';
export * from './copies/copy.templates.js';
export { CopyIds } from './copies/copy.ids.js';
export { type CopyPage, TenantCopies } from './copies/tenant.copies.js';
export { TenantErasure } from './lifecycle/tenant.erasure.js';
export { TenantLifecycle } from './lifecycle/tenant.lifecycle.js';
export { TenantPurge } from './lifecycle/tenant.purge.js';
export * from './lifecycle/transitions.js';
export * from './places/place.js';
export { PlaceBuilder } from './places/place.builder.js';
export { PlaceKeeper } from './places/place.keeper.js';
export type { FailedPlace, PlaceSelection, VersionCount } from './places/place.ledger.js';
export { type MigratedPlace, type MigrationRun, PlaceMigrations, type RunOptions } from './places/place.migrations.js';
export { PlaceStore } from './places/place.store.js';
export { Placements } from './places/placements.js';
export * from './places/server.registry.js';
export { type MigratedServer, SharedMigrations, type SharedVersion } from './places/shared.migrations.js';
export * from './places/servers.js';
export * from './plan.registry.js';
export * from './domains/index.js';
export * from './plans.js';
export { Provisioner } from './provisioning/provisioner.js';
export { type Lease, LeaseLost, ProvisioningFence } from './provisioning/provisioning.fence.js';
export { ProvisioningMark } from './provisioning/provisioning-mark.entity.js';
export { ProvisioningMarks } from './provisioning/provisioning.marks.js';
export * from './provisioning/provisioning.step.js';
export { ProvisioningSteps } from './provisioning/provisioning.steps.js';
export type { ProvisioningState, StepState } from './provisioning/provisioning.store.js';
export { type NewCopy, type NewTenant, TenantProvisioning } from './provisioning/tenant.provisioning.js';
export { TenantSeeds } from './provisioning/tenant.seeds.js';
export * from './registry/tenant.import.js';
export * from './registry/tenants-file.js';
export * from './reserved-slugs.js';
export { MAILED_KINDS } from './retirement/retirement.rules.js';
export { RetirementStore, type ScheduledAct } from './retirement/retirement.store.js';
export { SentNotice } from './retirement/sent-notice.entity.js';
export * from './retirement/tenant.owners.js';
export { type RetirementReport, TenantRetirement } from './retirement/tenant.retirement.js';
export { SlugHolds } from './slug.holds.js';
export { checkSlug } from './slug.rules.js';
export { TenantChanges } from './tenant.changes.js';
export { type TenantEdit, TenantEditor } from './tenant.editor.js';
export * from './tenant.errors.js';
export {
  TenantEvent,
  type TenantEventHandler,
  TenantEvents,
  TenantsImported,
  type TenantsImportedHandler,
} from './tenant.events.js';
export * from './tenant.module.js';
export { type TenantFilter, TenantQuery } from './tenant.query.js';
export * from './tenant.record.js';
export { TenantStore } from './tenant.store.js';
