import type { MigrationSet } from '../src/database/index.js';
import { CreateRegistry1763600000000 } from './platform/1763600000000-create-registry.js';
import { ExtendAudit1763600000004 } from './platform/1763600000004-extend-audit.js';
import { CreatePlatformAuth1763600000011 } from './platform/1763600000011-create-platform-auth.js';
import { ExtendPlatformAdmins1763600000012 } from './platform/1763600000012-extend-platform-admins.js';
import { CreatePlatformKnownAddresses1763600000014 } from './platform/1763600000014-create-platform-known-addresses.js';
import { ExtendRegistry1763600000020 } from './platform/1763600000020-extend-registry.js';
import { CreateProvisioning1763600000021 } from './platform/1763600000021-create-provisioning.js';
import { ExpireImpersonations1763600000016 } from './platform/1763600000016-expire-impersonations.js';
import { CreateDomains1763600000040 } from './platform/1763600000040-create-domains.js';
import { CreateJobLanes1763600000030 } from './platform/1763600000030-create-job-lanes.js';
import { CreateSignups1763600000050 } from './platform/1763600000050-create-signups.js';
import { ExtendRegistryWithCopies1763600000060 } from './platform/1763600000060-extend-registry-with-copies.js';
import { CreateSandboxAccess1763600000061 } from './platform/1763600000061-create-sandbox-access.js';
import { RollBackFailedTenants1763600000070 } from './platform/1763600000070-roll-back-failed-tenants.js';
import { FenceProvisioning1763600000072 } from './platform/1763600000072-fence-provisioning.js';
import { CreateJobCrons1763600000073 } from './platform/1763600000073-create-job-crons.js';
import { CreateServers1763600000080 } from './platform/1763600000080-create-servers.js';
import { KeepPlaceMigrations1763600000081 } from './platform/1763600000081-keep-place-migrations.js';
import { ReserveForPlans1763600000082 } from './platform/1763600000082-reserve-for-plans.js';
import { CreateMoves1763600000092 } from './platform/1763600000092-create-moves.js';
import { CreateBackups1763600000096 } from './platform/1763600000096-create-backups.js';
import { CreateRestores1763600000098 } from './platform/1763600000098-create-restores.js';
import { CreateHistories1763600000099 } from './platform/1763600000099-create-histories.js';
import { LayerSettings1763600000100 } from './platform/1763600000100-layer-settings.js';
import { CreateSettingChanges1763600000101 } from './platform/1763600000101-create-setting-changes.js';
import { SeedPlanLimits1763600000102 } from './platform/1763600000102-seed-plan-limits.js';
import { CreateTenantKeys1763600000103 } from './platform/1763600000103-create-tenant-keys.js';
import { WrapByRootKey1763600000104 } from './platform/1763600000104-wrap-by-root-key.js';
import { RenameMailBrand1763600000116 } from './platform/1763600000116-rename-mail-brand.js';
import { CreateResourceStates1763600000121 } from './platform/1763600000121-create-resource-states.js';
import { CreateAuth1763600000010 } from './tenant/1763600000010-create-auth.js';
import { CreateKnownAddresses1763600000013 } from './tenant/1763600000013-create-known-addresses.js';
import { CreateChat1763600000001 } from './tenant/1763600000001-create-chat.js';
import { CreateAudit1763600000003 } from './tenant/1763600000003-create-audit.js';
import { CreateOutbox1763600000002 } from './tenant/1763600000002-create-outbox.js';
import { HoldChangedAddresses1763600000015 } from './tenant/1763600000015-hold-changed-addresses.js';
import { CreateProvisioningMarks1763600000022 } from './tenant/1763600000022-create-provisioning-marks.js';
import { IndexDeadEvents1763600000031 } from './tenant/1763600000031-index-dead-events.js';
import { CreateFenceAndCapture1763600000090 } from './tenant/1763600000090-create-fence-and-capture.js';
import { CreateExternalIdentities1763600000112 } from './tenant/1763600000112-create-external-identities.js';
import { AddCustomFields1763600000114 } from './tenant/1763600000114-add-custom-fields.js';
import { CreateTenantFiles1763600000107 } from './tenant/1763600000107-create-tenant-files.js';
import { CreateBrandLogos1763600000115 } from './tenant/1763600000115-create-brand-logos.js';
import { CreateSentNotices1763600000051 } from './tenant/1763600000051-create-sent-notices.js';

/**
 * The oldest tenant migration at which this application works: all that its entities and statements use is there. Raise it
 * in the release that begins to use what an earlier one added; see docs/migrations.md.
 */
export const OLDEST_SUPPORTED = CreateBrandLogos1763600000115.name;

/** Every migration, oldest first. A test compares this list with the folders. */
export const MIGRATIONS: MigrationSet[] = [
  {
    schema: 'platform',
    migrations: [
      CreateRegistry1763600000000,
      ExtendAudit1763600000004,
      CreatePlatformAuth1763600000011,
      ExtendPlatformAdmins1763600000012,
      CreatePlatformKnownAddresses1763600000014,
      ExpireImpersonations1763600000016,
      ExtendRegistry1763600000020,
      CreateProvisioning1763600000021,
      CreateJobLanes1763600000030,
      CreateDomains1763600000040,
      CreateSignups1763600000050,
      ExtendRegistryWithCopies1763600000060,
      CreateSandboxAccess1763600000061,
      RollBackFailedTenants1763600000070,
      FenceProvisioning1763600000072,
      CreateJobCrons1763600000073,
      CreateServers1763600000080,
      KeepPlaceMigrations1763600000081,
      ReserveForPlans1763600000082,
      CreateMoves1763600000092,
      CreateBackups1763600000096,
      CreateRestores1763600000098,
      CreateHistories1763600000099,
      LayerSettings1763600000100,
      CreateSettingChanges1763600000101,
      SeedPlanLimits1763600000102,
      CreateTenantKeys1763600000103,
      WrapByRootKey1763600000104,
      RenameMailBrand1763600000116,
      CreateResourceStates1763600000121,
    ],
  },
  {
    schema: 'shared',
    oldestSupported: OLDEST_SUPPORTED,
    migrations: [
      CreateChat1763600000001,
      CreateOutbox1763600000002,
      CreateAudit1763600000003,
      CreateAuth1763600000010,
      CreateKnownAddresses1763600000013,
      HoldChangedAddresses1763600000015,
      CreateProvisioningMarks1763600000022,
      IndexDeadEvents1763600000031,
      CreateSentNotices1763600000051,
      CreateFenceAndCapture1763600000090,
      CreateTenantFiles1763600000107,
      CreateExternalIdentities1763600000112,
      AddCustomFields1763600000114,
      CreateBrandLogos1763600000115,
    ],
  },
];
