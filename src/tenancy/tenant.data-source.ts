import type { Pool, PoolClient } from 'pg';
import {
  DataSource,
  type DataSourceOptions,
  type EntityManager,
  type EntityTarget,
  type ObjectLiteral,
  type QueryRunner,
  type SelectQueryBuilder,
} from 'typeorm';
import { QueryBuilder } from 'typeorm/query-builder/QueryBuilder.js';
import type { TenantContext } from './tenant.context.js';
import type { Placement } from './tenant.js';
import {
  TenantDeleteQueryBuilder,
  TenantSelectQueryBuilder,
  TenantSoftDeleteQueryBuilder,
  TenantUpdateQueryBuilder,
} from './tenant.query-builders.js';
import { TenantQueryRunner } from './tenant.query-runner.js';

export type Layer = 'filter' | 'subscriber';

/**
 * The one data source of tenant-owned entities: one set of metadata for all tenants. Connections come from the pool
 * that the placement of the current tenant names.
 */
export class TenantDataSource extends DataSource {
  /** Layers that a test has taken away to prove that the others hold. Always empty in a running service. */
  readonly layersOff = new Set<Layer>();

  constructor(
    options: DataSourceOptions,
    readonly context: TenantContext,
  ) {
    super(options);
  }

  override createQueryRunner(): QueryRunner {
    const runner = new TenantQueryRunner(this);
    // Made when asked for: a plain statement on a hot path never needs one.
    let manager: EntityManager | undefined;
    Object.defineProperty(runner, 'manager', {
      get: () => (manager ??= this.createEntityManager(runner)),
      // An entity manager made for a runner assigns itself to it.
      set: (made: EntityManager) => (manager = made),
    });
    return runner;
  }

  override createQueryBuilder(
    entityOrRunner?: unknown,
    alias?: string,
    queryRunner?: QueryRunner,
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- overrides TypeORM's overloads
  ): SelectQueryBuilder<any> {
    if (alias === undefined) {
      return new TenantSelectQueryBuilder<ObjectLiteral>(this, entityOrRunner as QueryRunner | undefined);
    }
    const metadata = this.getMetadata(entityOrRunner as EntityTarget<ObjectLiteral>);
    return new TenantSelectQueryBuilder<ObjectLiteral>(this, queryRunner).select(alias).from(metadata.target, alias);
  }

  /** A connection of the pool that serves `placement`. */
  async acquire(placement: Placement): Promise<PoolClient> {
    switch (placement.kind) {
      case 'shared':
        return this.sharedPool.connect();
    }
  }

  get sharedPool(): Pool {
    return (this.driver as unknown as { master: Pool }).master;
  }
}

// TypeORM reaches its builders through this registry; other data sources keep the plain classes.
type Registry = Record<string, (builder: { dataSource: unknown }) => unknown>;
const registry = (QueryBuilder as unknown as { queryBuilderRegistry: Registry }).queryBuilderRegistry;
const scoped = {
  SelectQueryBuilder: TenantSelectQueryBuilder,
  UpdateQueryBuilder: TenantUpdateQueryBuilder,
  DeleteQueryBuilder: TenantDeleteQueryBuilder,
  SoftDeleteQueryBuilder: TenantSoftDeleteQueryBuilder,
};
for (const [name, Scoped] of Object.entries(scoped)) {
  const plain = registry[name];
  if (!plain) throw new Error(`TypeORM no longer registers ${name}; the tenant filter cannot be applied.`);
  registry[name] = (builder) =>
    builder.dataSource instanceof TenantDataSource
      ? new (Scoped as unknown as new (b: unknown) => unknown)(builder)
      : plain(builder);
}
