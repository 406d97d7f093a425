import { Global, Module } from '@nestjs/common';
import { PlaceDirectory } from '../database/index.js';
import { DomainDirectory, ServerDirectory, TenantDirectory } from '../tenancy/index.js';
import { CertificateQuestion } from './domains/certificate.question.js';
import { DomainCheckStore } from './domains/domain-check.store.js';
import { DomainChecks } from './domains/domain.checks.js';
import { DomainProver } from './domains/domain.prover.js';
import { DomainStore } from './domains/domain.store.js';
import { DomainsService } from './domains/domains.service.js';
import { PostgresDomainDirectory } from './domains/postgres-domain.directory.js';
import { CopyTemplates } from './copies/copy.templates.js';
import { DataCopier } from './copies/data.copier.js';
import { TenantCopies } from './copies/tenant.copies.js';
import { HeldCopies } from './lifecycle/held.copies.js';
import { TenantErasure } from './lifecycle/tenant.erasure.js';
import { TenantLifecycle } from './lifecycle/tenant.lifecycle.js';
import { TenantPurge } from './lifecycle/tenant.purge.js';
import { PlaceBuilder } from './places/place.builder.js';
import { PlaceKeeper } from './places/place.keeper.js';
import { PlaceMigrations } from './places/place.migrations.js';
import { PlaceStore } from './places/place.store.js';
import { Placements } from './places/placements.js';
import { ServerRegistry } from './places/server.registry.js';
import { RegisteredPlaces } from './places/registered.places.js';
import { SharedMigrations } from './places/shared.migrations.js';
import { SpareStore } from './places/spare.store.js';
import { Servers } from './places/servers.js';
import { PlanRegistry } from './plan.registry.js';
import { PostgresTenantDirectory } from './postgres-tenant.directory.js';
import { Provisioner } from './provisioning/provisioner.js';
import { ProvisioningFence } from './provisioning/provisioning.fence.js';
import { ProvisioningMarks } from './provisioning/provisioning.marks.js';
import { ProvisioningSteps } from './provisioning/provisioning.steps.js';
import { ProvisioningStore } from './provisioning/provisioning.store.js';
import { ProvisioningUndo } from './provisioning/provisioning.undo.js';
import { RegistrySteps } from './provisioning/registry.steps.js';
import { TenantProvisioning } from './provisioning/tenant.provisioning.js';
import { TenantSeeds } from './provisioning/tenant.seeds.js';
import { TenantImport } from './registry/tenant.import.js';
import { OwnerNotices } from './retirement/owner.notices.js';
import { RetirementStore } from './retirement/retirement.store.js';
import { TenantRetirement } from './retirement/tenant.retirement.js';
import { SlugHolds } from './slug.holds.js';
import { StatusNotices } from './retirement/status.notices.js';
import { TenantChanges } from './tenant.changes.js';
import { TenantEvents } from './tenant.events.js';
import { TenantEditor } from './tenant.editor.js';
import { TenantQuery } from './tenant.query.js';
import { TenantStore } from './tenant.store.js';

const DOMAIN_PROVIDERS = [
  { provide: DomainDirectory, useClass: PostgresDomainDirectory },
  CertificateQuestion,
  DomainCheckStore,
  DomainChecks,
  DomainProver,
  DomainStore,
  DomainsService,
];

@Global()
@Module({
  providers: [
    OwnerNotices,
    CopyTemplates,
    DataCopier,
    PlaceBuilder,
    PlaceKeeper,
    PlaceMigrations,
    Placements,
    PlaceStore,
    SharedMigrations,
    SpareStore,
    HeldCopies,
    PlanRegistry,
    Provisioner,
    ProvisioningFence,
    ProvisioningMarks,
    ProvisioningSteps,
    ProvisioningStore,
    ProvisioningUndo,
    RegistrySteps,
    RetirementStore,
    ServerRegistry,
    Servers,
    SlugHolds,
    TenantCopies,
    TenantEditor,
    StatusNotices,
    TenantChanges,
    TenantErasure,
    TenantEvents,
    TenantImport,
    TenantLifecycle,
    TenantProvisioning,
    TenantPurge,
    TenantQuery,
    TenantRetirement,
    TenantSeeds,
    TenantStore,
    { provide: TenantDirectory, useClass: PostgresTenantDirectory },
    { provide: ServerDirectory, useExisting: Servers },
    { provide: PlaceDirectory, useClass: RegisteredPlaces },
    ...DOMAIN_PROVIDERS,
  ],
  exports: [
    CertificateQuestion,
    CopyTemplates,
    DomainChecks,
    DomainDirectory,
    DomainsService,
    PlaceBuilder,
    PlaceDirectory,
    PlaceKeeper,
    PlaceMigrations,
    Placements,
    PlaceStore,
    PlanRegistry,
    Provisioner,
    ProvisioningMarks,
    ProvisioningSteps,
    RetirementStore,
    ServerDirectory,
    ServerRegistry,
    Servers,
    SlugHolds,
    TenantChanges,
    TenantCopies,
    TenantDirectory,
    TenantEditor,
    TenantErasure,
    TenantEvents,
    TenantImport,
    TenantLifecycle,
    TenantProvisioning,
    TenantPurge,
    TenantQuery,
    TenantRetirement,
    TenantSeeds,
    TenantStore,
  ],
})
export class TenantModule {}
