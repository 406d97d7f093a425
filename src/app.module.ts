import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { Logger } from 'pino';
import { AdminJobsModule, AdminTenantsModule } from './admin/index.js';
import { AuditModule, TenantAuditEvent } from './audit/index.js';
import { AccessGuard, AUTH_ENTITIES, AuthModule } from './auth/index.js';
import { BrandingModule, BrandLogo } from './branding/index.js';
import { BrokerModule } from './broker/index.js';
import { CacheModule } from './cache/index.js';
import { ChangesModule } from './changes/index.js';
import { ChatMessage, ChatModule } from './chat/index.js';
import { BrandingConfigModule, ConfigModule, FeaturesConfigModule } from './config/index.js';
import { DatabaseModule, type PreparedDatabase } from './database/index.js';
import type { Env } from './env/index.js';
import { DomainsModule } from './domains/index.js';
import { FairnessModule } from './fairness/index.js';
import { FeatureGuard, FeaturesModule } from './features/index.js';
import { FilesModule, TenantFile } from './files/index.js';
import { HealthModule } from './health/index.js';
import { IdempotencyKey, IdempotencyModule } from './idempotency/index.js';
import { JobsModule } from './jobs/index.js';
import {
  addressLimitProviders,
  DeclaredTenantLimits,
  LimitsModule,
  limitsProviders,
  TenantLimits,
} from './limits/index.js';
import { LogsModule } from './logs/index.js';
import { MailModule } from './mail/index.js';
import { MetricsModule } from './metrics/index.js';
import { OutboundModule } from './outbound/index.js';
import { OutboxEvent, OutboxModule } from './outbox/index.js';
import type { Product } from './product.js';
import { RedisModule } from './redis/index.js';
import { ResourcesModule } from './resources/index.js';
import { SandboxesModule } from './sandboxes/index.js';
import { SecretsModule } from './secrets/index.js';
import { ChatSession, SessionModule } from './session/index.js';
import { SettingsModule } from './settings/index.js';
import { SignupModule } from './signup/index.js';
import { TenancyModule } from './tenancy/index.js';
import { ProvisioningMark, SentNotice, TenantModule } from './tenant/index.js';

/** Every tenant-owned entity of Tenantry itself. */
export const TENANT_ENTITIES = [
  ...AUTH_ENTITIES,
  BrandLogo,
  ChatSession,
  ChatMessage,
  IdempotencyKey,
  OutboxEvent,
  ProvisioningMark,
  SentNotice,
  TenantAuditEvent,
  TenantFile,
];

/**
 * All that works on tenants, with HTTP or without. Commands run on the same, so that a tenant they make or erase is like
 * any other: a module that has a part in that belongs here.
 */
export function workModules(
  env: Env,
  database: PreparedDatabase,
  logger: Logger,
  { modules = [], entities = [] }: Product = {},
): (DynamicModule | Type)[] {
  return [
    SessionModule,
    ChatModule,
    LogsModule.forRoot(logger),
    DatabaseModule.forRoot(env, database),
    TenancyModule.forRoot({ env, database, entities: [...TENANT_ENTITIES, ...entities] }),
    ChangesModule,
    TenantModule,
    SettingsModule,
    SecretsModule,
    FeaturesModule,
    AuditModule,
    OutboxModule,
    BrandingModule,
    MailModule,
    MetricsModule,
    FairnessModule,
    RedisModule,
    OutboundModule,
    CacheModule,
    ResourcesModule,
    BrokerModule,
    JobsModule,
    IdempotencyModule,
    AuthModule,
    DomainsModule,
    FilesModule,
    FeaturesConfigModule,
    BrandingConfigModule,
    SandboxesModule,
    SignupModule,
    ...modules,
  ];
}

@Module({})
export class AppModule {
  static forRoot(env: Env, database: PreparedDatabase, logger: Logger, product: Product = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Express tries routes in order, and Nest adds those of the first module first: the busiest lead.
        SessionModule,
        ChatModule,
        HealthModule,
        LimitsModule,
        ...workModules(env, database, logger, product),
        AdminTenantsModule,
        AdminJobsModule,
        ConfigModule,
      ],
      // In this order: the address's limit, who is it and may they, the tenant's limit, is the feature on.
      providers: [
        { provide: TenantLimits, useClass: DeclaredTenantLimits },
        ...addressLimitProviders,
        { provide: APP_GUARD, useClass: AccessGuard },
        ...limitsProviders,
        { provide: APP_GUARD, useClass: FeatureGuard },
      ],
    };
  }
}
