import { Global, Module } from '@nestjs/common';
import { TenantDirectory } from '../tenancy/index.js';
import { TenantErasure } from './lifecycle/tenant.erasure.js';
import { TenantLifecycle } from './lifecycle/tenant.lifecycle.js';
import { TenantPurge } from './lifecycle/tenant.purge.js';
import { PlanRegistry } from './plan.registry.js';
import { PostgresTenantDirectory } from './postgres-tenant.directory.js';
import { Provisioner } from './provisioning/provisioner.js';
import { ProvisioningMarks } from './provisioning/provisioning.marks.js';
import { ProvisioningSteps } from './provisioning/provisioning.steps.js';
import { ProvisioningStore } from './provisioning/provisioning.store.js';
import { ProvisioningUndo } from './provisioning/provisioning.undo.js';
import { RegistrySteps } from './provisioning/registry.steps.js';
import { TenantProvisioning } from './provisioning/tenant.provisioning.js';
import { TenantSeeds } from './provisioning/tenant.seeds.js';
import { TenantImport } from './registry/tenant.import.js';
import { TenantEditor } from './tenant.editor.js';
import { TenantQuery } from './tenant.query.js';
import { TenantStore } from './tenant.store.js';

@Global()
@Module({
  providers: [
    PlanRegistry,
    Provisioner,
    ProvisioningMarks,
    ProvisioningSteps,
    ProvisioningStore,
    ProvisioningUndo,
    RegistrySteps,
    TenantEditor,
    TenantErasure,
    TenantImport,
    TenantLifecycle,
    TenantProvisioning,
    TenantPurge,
    TenantQuery,
    TenantSeeds,
    TenantStore,
    { provide: TenantDirectory, useClass: PostgresTenantDirectory },
  ],
  exports: [
    PlanRegistry,
    Provisioner,
    ProvisioningMarks,
    ProvisioningSteps,
    TenantDirectory,
    TenantEditor,
    TenantErasure,
    TenantImport,
    TenantLifecycle,
    TenantProvisioning,
    TenantPurge,
    TenantQuery,
    TenantSeeds,
    TenantStore,
  ],
})
export class TenantModule {}
