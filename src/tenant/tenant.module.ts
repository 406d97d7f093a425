import { Global, Module } from '@nestjs/common';
import { ENV, PlaceDirectory } from '../database/index.js';
import { DomainDirectory, PlanReserves, ServerDirectory, TenantDirectory } from '../tenancy/index.js';
import { CertificateQuestion } from './domains/certificate.question.js';
import { DomainCheckStore } from './domains/domain-check.store.js';
import { DomainChecks } from './domains/domain.checks.js';
import { DomainProver } from './domains/domain.prover.js';
import { DomainStore } from './domains/domain.store.js';
import { DomainsService } from './domains/domains.service.js';
import { PostgresDomainDirectory } from './domains/postgres-domain.directory.js';
import { ArchiveRules } from './archive/archive.rules.js';
import { ArchiveSpool } from './archive/archive.spool.js';
import { TenantDownloads } from './archive/tenant.downloads.js';
import { ImportLease } from './archive/import.lease.js';
import { OwnArchiveRules } from './archive/own.rules.js';
import { TenantExporter } from './archive/tenant.exporter.js';
import { TenantImporter } from './archive/tenant.importer.js';
import { BackupJobs } from './backups/backup.jobs.js';
import { BackupStorage } from './backups/backup.storage.js';
import { BackupStore } from './backups/backup.store.js';
import { backupStorage } from './backups/chosen.storage.js';
import { TenantBackups } from './backups/tenant.backups.js';
import { CopyTemplates } from './copies/copy.templates.js';
import { DataCopier } from './copies/data.copier.js';
import { TenantCopies } from './copies/tenant.copies.js';
import { ErasureProver } from './erasure/erasure.proof.js';
import { HistoryJobs } from './history/history.jobs.js';
import { HistoryReplay } from './history/history.replay.js';
import { HistoryStore } from './history/history.store.js';
import { TenantHistories } from './history/tenant.histories.js';
import { HeldCopies } from './lifecycle/held.copies.js';
import { TenantErasure } from './lifecycle/tenant.erasure.js';
import { TenantLifecycle } from './lifecycle/tenant.lifecycle.js';
import { TenantPurge } from './lifecycle/tenant.purge.js';
import { MoveAftercare } from './moves/move.aftercare.js';
import { MoveCarrier } from './moves/move.carrier.js';
import { MovePlaces } from './moves/move.places.js';
import { MoveStore } from './moves/move.store.js';
import { MoveSwitch } from './moves/move.switch.js';
import { Mover } from './moves/mover.js';
import { MoveWorker } from './moves/move.worker.js';
import { TenantMoves } from './moves/tenant.moves.js';
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
import { PostgresPlanReserves } from './postgres-plan.reserves.js';
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
import { RestoreDifferences } from './restores/restore.differences.js';
import { RestoreLoader } from './restores/restore.loader.js';
import { RestoreStore } from './restores/restore.store.js';
import { RestoreSwap } from './restores/restore.swap.js';
import { RestoreWorker } from './restores/restore.worker.js';
import { Restorer } from './restores/restorer.js';
import { TenantRestores } from './restores/tenant.restores.js';
import { OwnerNotices } from './retirement/owner.notices.js';
import { RetirementStore } from './retirement/retirement.store.js';
import { TenantRetirement } from './retirement/tenant.retirement.js';
import { PlanSettings } from './settings/plan.settings.js';
import { PlatformSettings } from './settings/platform.settings.js';
import { SettingHistory } from './settings/setting.history.js';
import { SettingsEditor } from './settings/settings.editor.js';
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

const MOVE_PROVIDERS = [MoveAftercare, MoveCarrier, MovePlaces, Mover, MoveStore, MoveSwitch, MoveWorker, TenantMoves];

const BACKUP_PROVIDERS = [
  BackupJobs,
  { provide: BackupStorage, useFactory: backupStorage, inject: [ENV, ArchiveSpool] },
  BackupStore,
  TenantBackups,
];

const RESTORE_PROVIDERS = [
  RestoreDifferences,
  RestoreLoader,
  Restorer,
  RestoreStore,
  RestoreSwap,
  RestoreWorker,
  TenantRestores,
];
const SETTING_PROVIDERS = [PlanSettings, PlatformSettings, SettingHistory, SettingsEditor];
const HISTORY_PROVIDERS = [HistoryJobs, HistoryReplay, HistoryStore, TenantHistories];

@Global()
@Module({
  providers: [
    ErasureProver,
    ArchiveRules,
    ArchiveSpool,
    TenantDownloads,
    ImportLease,
    OwnArchiveRules,
    TenantExporter,
    TenantImporter,
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
    { provide: PlanReserves, useClass: PostgresPlanReserves },
    { provide: ServerDirectory, useExisting: Servers },
    { provide: PlaceDirectory, useClass: RegisteredPlaces },
    ...DOMAIN_PROVIDERS,
    ...MOVE_PROVIDERS,
    ...BACKUP_PROVIDERS,
    ...RESTORE_PROVIDERS,
    ...HISTORY_PROVIDERS,
    ...SETTING_PROVIDERS,
  ],
  exports: [
    BackupJobs,
    TenantBackups,
    HistoryJobs,
    HistoryReplay,
    TenantHistories,
    ErasureProver,
    ArchiveRules,
    ArchiveSpool,
    TenantDownloads,
    TenantExporter,
    TenantImporter,
    CertificateQuestion,
    CopyTemplates,
    DomainChecks,
    DomainDirectory,
    DomainsService,
    MoveAftercare,
    MoveWorker,
    PlaceBuilder,
    PlaceDirectory,
    PlaceKeeper,
    PlaceMigrations,
    Placements,
    PlaceStore,
    PlanRegistry,
    PlanReserves,
    Provisioner,
    ProvisioningMarks,
    ProvisioningSteps,
    RestoreDifferences,
    RestoreWorker,
    RetirementStore,
    ServerDirectory,
    ServerRegistry,
    Servers,
    SettingHistory,
    SettingsEditor,
    SlugHolds,
    TenantChanges,
    TenantCopies,
    TenantDirectory,
    TenantEditor,
    TenantErasure,
    TenantEvents,
    TenantImport,
    TenantLifecycle,
    TenantMoves,
    TenantProvisioning,
    TenantPurge,
    TenantQuery,
    TenantRestores,
    TenantRetirement,
    TenantSeeds,
    TenantStore,
  ],
})
export class TenantModule {}
