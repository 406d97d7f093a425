import { Logger } from '@nestjs/common';
import type { PoolClient } from 'pg';
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
import { PreparedStatements } from './prepared.statements.js';
import { failureOf } from './statement.failure.js';
import { TransactionByRawSql } from './tenancy.errors.js';
import type { TenantConnections } from './tenant.connections.js';
import type { TenantContext } from './tenant.context.js';
import {
  TenantDeleteQueryBuilder,
  TenantSelectQueryBuilder,
  TenantSoftDeleteQueryBuilder,
  TenantUpdateQueryBuilder,
} from './tenant.query-builders.js';
import { isTurnedAway, type TenantFence } from './tenant.fence.js';
import { TenantQueryRunner } from './tenant.query-runner.js';
import { sendAlone } from './tenant.statement.js';
import type { Tenant } from './tenant.js';
import { shareOf } from './tenant.share.js';

export type Layer = 'filter' | 'subscriber';

/**
 * The one data source of tenant-owned entities: one set of metadata for all tenants, whose placements say where
 * connections lead. TypeORM's own pool only looks at the catalogue.
 */
export class TenantDataSource extends DataSource {
  /** Layers that a test has taken away to prove that the others hold. Always empty in a running service. */
  readonly layersOff = new Set<Layer>();

  private readonly prepared = new WeakMap<PoolClient, PreparedStatements>();

  /** @param prepares whether connections keep hot statements prepared: not behind a pooler that hands them around */
  constructor(
    options: DataSourceOptions,
    readonly context: TenantContext,
    readonly connections: TenantConnections,
    readonly fence: TenantFence,
    private prepares = false,
  ) {
    super(options);
  }

  override async destroy(): Promise<void> {
    await this.connections.end();
    await super.destroy();
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

  /** Asks the shared tables' server for a sign of life. @throws when there is none */
  async ping(): Promise<void> {
    const client = await this.connections.acquire({ kind: 'shared' });
    await client.query('SELECT 1').finally(() => client.release());
  }

  /**
   * One parameterised statement of the current tenant, as a transaction of its own in one network flight.
   *
   * @throws TenantContextMissing outside a tenant scope
   * @throws QueryFailedError when the database refuses it, StatementTimedOut
   */
  async queryAlone<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    const tenant = this.context.currentOrThrow('Tenant-owned SQL');
    try {
      return await this.queryAt<Row>(tenant, sql, parameters);
    } catch (error) {
      if (!isTurnedAway(error)) throw error;
      return this.fence.follow(tenant, error, (at) => this.queryAt<Row>(at, sql, parameters));
    }
  }

  private async queryAt<Row>(tenant: Tenant, sql: string, parameters: unknown[]): Promise<Row[]> {
    const client = await this.connections.acquire(tenant.placement, tenant.plan, shareOf(tenant));
    const prepared = this.preparedOn(client);
    let broken: Error | undefined;
    const since = performance.now();
    try {
      this.logger.logQuery(sql, parameters);
      return (await sendAlone({ client, prepared }, tenant, sql, parameters)).rows as Row[];
    } catch (error) {
      if (isTurnedAway(error)) throw error;
      if (error instanceof TransactionByRawSql) broken = error;
      this.logger.logQueryError(error as Error, sql, parameters);
      throw failureOf(error as Error, { tenant, text: sql, values: parameters, since });
    } finally {
      client.release(broken);
      if (prepared?.misled) this.stopPreparing();
    }
  }

  private preparedOn(client: PoolClient): PreparedStatements | undefined {
    if (!this.prepares) return undefined;
    const known = this.prepared.get(client);
    if (known) return known;
    const fresh = new PreparedStatements();
    this.prepared.set(client, fresh);
    return fresh;
  }

  private stopPreparing(): void {
    if (!this.prepares) return;
    this.prepares = false;
    new Logger('Database').warn(
      'A prepared statement was on another connection: DATABASE_URL seems to lead through a transaction-mode pooler. ' +
        'Statements are no longer prepared; set DATABASE_DIRECT_URL, or DATABASE_PREPARED_STATEMENTS=off.',
    );
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
