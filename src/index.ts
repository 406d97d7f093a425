/**
 * What is public of Tenantry: all that an author of modules imports, from `tenantry` alone. See docs/public-api.md.
 *
 * @packageDocumentation
 */
import 'reflect-metadata';

// The application, and what is built on it
export { createApplication } from './application.js';
export { runCommandLine } from './cli/index.js';
export { type Product, migrationsOf } from './product.js';
export { startApplication } from './start.js';
export {
  type MigrationClass,
  type MigrationSet,
  prepareDatabase,
  type PreparedDatabase,
  type PrepareOptions,
  type TenantMigration,
} from './database/index.js';
export { type Env, EnvError, loadEnv, parseEnv } from './env/index.js';
export { createLogger } from './logs/index.js';

// The kernel
export {
  type Actor,
  type ActorKind,
  InjectTenantRepository,
  isolateTable,
  type IsolationOptions,
  ResultTooLarge,
  type Tenant,
  TenantContext,
  TenantContextMissing,
  TenantCursors,
  TenantDirectory,
  TenantMismatch,
  TenantOwned,
  TenantRepository,
  TenantRunner,
  TenantScopeConflict,
  TenantTransaction,
} from './tenancy/index.js';

// Who may do what
export {
  type AccessRequest,
  callerOf,
  declarePermission,
  demandPermission,
  ForTenant,
  locate,
  type Permission,
  PersonalData,
  type PersonalDataSection,
  Public,
  PublicOnTenant,
  RequiresPermission,
  RequiresPlatformPermission,
  type TenantPrincipal,
} from './auth/index.js';

// Settings, limits, features, resources
export {
  declareSecret,
  declareSetting,
  Satisfies,
  type SealedSecret,
  type SecretSetting,
  type Setting,
  type SettingDeclaration,
  type SettingEditor,
  settingOf,
  type SettingType,
  TenantSettings,
} from './settings/index.js';
export { SecretVault } from './secrets/index.js';
export { AddressLimited, declareLimit, LimitedBy, LimitExceeded } from './limits/index.js';
export {
  declareFeature,
  type Feature,
  type FeatureDeclaration,
  FeatureFlags,
  type FeatureState,
  RequiresFeature,
} from './features/index.js';
export {
  type ResourceDeclaration,
  ResourceUnavailable,
  type TenantResource,
  TenantResources,
} from './resources/index.js';
export { TenantBroker } from './broker/index.js';
export { type FetchBounds, OutboundFetch, OutboundRefused } from './outbound/index.js';

// Cache, files, jobs, events, audit
export { type CacheNamespace, TenantCache } from './cache/index.js';
export {
  FILE_ANY,
  FILE_READ,
  FILE_WRITE,
  FileNotFound,
  type FileSource,
  type NewFile,
  type OpenedFile,
  TenantFile,
  TenantFiles,
} from './files/index.js';
export {
  type CronOptions,
  type EnqueueOptions,
  JobFailure,
  type JobOptions,
  type JobRun,
  PlatformCron,
  PlatformJobHandler,
  PlatformJobs,
  TenantCron,
  TenantJobHandler,
  TenantJobs,
} from './jobs/index.js';
export { Outbox, type OutboxDelivery, OutboxFailure, type OutboxHandler, OutboxHandlers } from './outbox/index.js';
export { type AuditInput, type AuditTarget, TenantAudit } from './audit/index.js';
export { type Commit, IdempotencyService, type IdempotentRequest } from './idempotency/index.js';
export {
  type ArchiveRule,
  ArchiveRules,
  CopyIds,
  type CopyPage,
  type EntityCopy,
  TenantCopies,
  TenantEvent,
  type TenantEventHandler,
  TenantEvents,
} from './tenant/index.js';

// Errors, ids, HTTP
export {
  AppError,
  type AppErrorOptions,
  CursorInvalid,
  etagOf,
  type FieldError,
  isKnown,
  isUuid,
  newId,
  type Page,
  parseLimit,
  RevisionMismatch,
  revisionOf,
  slowUpload,
  ValidationFailed,
} from './common/index.js';
export { ApiOptionalBearer, ApiTenantHeader } from './http/index.js';
