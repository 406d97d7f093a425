import { type DynamicModule, Global, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ClsModule, ClsService } from 'nestjs-cls';
import { DataSource } from 'typeorm';
import { type PreparedDatabase, SteadyClient, versionOfPlace } from '../database/index.js';
import type { Env } from '../env/index.js';
import { checkBootPreconditions, placeProblems } from './boot-preconditions.js';
import { CredentialCodec } from './tenant.credential.js';
import { type PlaceCheck, ServerDirectory, TenantConnections } from './tenant.connections.js';
import { TenantContext } from './tenant.context.js';
import { TenantCursors } from './tenant.cursors.js';
import { TenantFence } from './tenant.fence.js';
import { TenantDataSource } from './tenant.data-source.js';
import { PlanReserves } from './plan.reserves.js';
import { PlatformCursors } from './platform.cursors.js';
import { CredentialReader } from './credential.reader.js';
import { DomainPolicy } from './domain-name.js';
import { strategiesOf } from './resolution.strategies.js';
import { DomainDirectory, TenantDirectory } from './tenant.directory.js';
import { TenantLookUp } from './tenant.look-up.js';
import type { TenantOwned } from './tenant-owned.js';
import { TenantRepository, tenantRepositoryToken } from './tenant.repository.js';
import { TenantResolver } from './tenant.resolver.js';
import { TenantRunner } from './tenant.runner.js';
import { TenantSubscriber } from './tenant.subscriber.js';
import { TenantTransaction } from './tenant.transaction.js';
import { WorkedPlacesFactory } from './worked.places.js';

/** Injects the control plane's data source. Tenant-owned rows are out of its role's reach. */
export const PLATFORM_DATA_SOURCE = Symbol('PLATFORM_DATA_SOURCE');
export const InjectPlatformDataSource = (): ParameterDecorator => Inject(PLATFORM_DATA_SOURCE);

type Class<E> = new () => E;

export interface TenancyOptions {
  env: Env;
  database: PreparedDatabase;
  /** Every tenant-owned entity of the application. */
  entities: Class<TenantOwned>[];
}

@Injectable()
class DataSourceCloser implements OnApplicationShutdown {
  constructor(
    private readonly tenant: TenantDataSource,
    @InjectPlatformDataSource() private readonly platform: DataSource,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.tenant.destroy(), this.platform.destroy()]);
  }
}

@Global()
@Module({})
export class TenancyModule {
  static forRoot({ env, database, entities }: TenancyOptions): DynamicModule {
    const maintenance = database.roles.name('maintenance');
    const limits = {
      shared: env.databasePoolSize,
      all: env.databaseMaxConnections,
      each: env.databaseTenantConnections,
    };
    const pooled = (kind: 'tenant' | 'platform', size: number) => ({
      type: 'postgres' as const,
      url: database.url(kind),
      installExtensions: false,
      poolSize: size,
      extra: {
        Client: SteadyClient,
        pipeline: true,
        connectionTimeoutMillis: 10_000,
        idleTimeoutMillis: 60_000,
        maxLifetimeSeconds: 3600,
        allowExitOnIdle: true,
      },
    });
    return {
      module: TenancyModule,
      // Not forRoot, which puts a guard and an interceptor that do nothing on every route, and rxjs on every request.
      imports: [ClsModule],
      providers: [
        TenantContext,
        TenantRunner,
        TenantTransaction,
        PlatformCursors,
        TenantCursors,
        WorkedPlacesFactory,
        DataSourceCloser,
        { provide: CredentialCodec, useValue: new CredentialCodec(database.keys) },
        {
          provide: PLATFORM_DATA_SOURCE,
          useFactory: () => new DataSource({ ...pooled('platform', 4), schema: 'platform' }).initialize(),
        },
        {
          provide: TenantDataSource,
          inject: [TenantContext, PLATFORM_DATA_SOURCE, ServerDirectory, TenantDirectory, PlanReserves],
          useFactory: async (
            context: TenantContext,
            platform: DataSource,
            servers: ServerDirectory,
            directory: TenantDirectory,
            reserves: PlanReserves,
          ) => {
            const check: PlaceCheck = async (client, schema) => {
              const { behind, problems } = await versionOfPlace(client, schema, database.migrations);
              if (problems.length > 0) return problems;
              // One that is behind and supported nonetheless may lack what nobody asks for yet.
              return placeProblems(client, schema, maintenance, behind ? { entityMetadatas: [] } : source);
            };
            const connections = new TenantConnections(database, servers, limits, check, reserves);
            const catalogue = pooled('tenant', 1);
            // TypeORM's own connection, which looks at the catalogue while this starts, counts as one of the tenants' until then.
            const options = { ...catalogue, extra: { ...catalogue.extra, idleTimeoutMillis: 100 }, entities };
            const fence = new TenantFence(directory, context);
            const source = new TenantDataSource(options, context, connections, fence, env.preparedStatements);
            try {
              await source.initialize();
              source.subscribers.push(new TenantSubscriber(source));
              await checkBootPreconditions(source, platform, maintenance);
              return source;
            } catch (error) {
              // A provider that throws has no shutdown hook, nor have those made before it.
              for (const opened of [source, platform]) if (opened.isInitialized) await opened.destroy();
              throw error;
            }
          },
        },
        {
          provide: TenantLookUp,
          inject: [TenantDirectory, DomainDirectory],
          useFactory: (directory: TenantDirectory, domains: DomainDirectory) =>
            new TenantLookUp(directory, domains, env.tenantCacheSize),
        },
        { provide: DomainPolicy, useValue: new DomainPolicy(env) },
        {
          provide: TenantResolver,
          inject: [TenantLookUp, DomainPolicy, CredentialReader],
          useFactory: (tenants: TenantLookUp, policy: DomainPolicy, reader: CredentialReader) =>
            new TenantResolver(strategiesOf(env.tenantStrategies, env.baseDomain, policy, reader), tenants),
        },
        ...entities.map((entity) => ({
          provide: tenantRepositoryToken(entity),
          inject: [TenantContext, TenantTransaction],
          useFactory: (context: TenantContext, transaction: TenantTransaction) =>
            new TenantRepository(entity, context, transaction),
        })),
      ],
      exports: [
        TenantContext,
        TenantRunner,
        TenantTransaction,
        PlatformCursors,
        TenantCursors,
        WorkedPlacesFactory,
        TenantDataSource,
        TenantResolver,
        TenantLookUp,
        DomainPolicy,
        CredentialCodec,
        PLATFORM_DATA_SOURCE,
        ClsModule,
        ...entities.map((entity) => tenantRepositoryToken(entity)),
      ],
    };
  }
}

export { ClsService };
