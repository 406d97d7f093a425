import { Inject } from '@nestjs/common';
import type { DeepPartial, FindManyOptions, FindOneOptions, FindOptionsWhere, SelectQueryBuilder } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';
import { newId } from '../common/index.js';
import { TenantMismatch } from './tenancy.errors.js';
import type { TenantContext } from './tenant.context.js';
import type { TenantOwned } from './tenant-owned.js';
import type { TenantTransaction } from './tenant.transaction.js';

type Class<E> = new () => E;
type Where<E> = FindOptionsWhere<E> | FindOptionsWhere<E>[];

/**
 * The repository wrapper: everything it does is within the current tenant and, when one is open, in its unit of work.
 * There is no `save`, no `remove` and no unscoped builder; `tenantId` may be left out everywhere.
 *
 * Every method throws TenantContextMissing outside a tenant scope and TenantMismatch when a value names another tenant;
 * what reads throws ResultTooLarge when it would read more rows than the plan allows (`limits.max_rows`).
 */
export class TenantRepository<E extends TenantOwned> {
  constructor(
    private readonly entity: Class<E>,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {}

  find(options: FindManyOptions<E> = {}): Promise<E[]> {
    return this.manager().find(this.entity, { ...options, where: this.scope(options.where) });
  }

  findBy(where: Where<E>): Promise<E[]> {
    return this.find({ where });
  }

  findOne(options: FindOneOptions<E>): Promise<E | null> {
    return this.manager().findOne(this.entity, { ...options, where: this.scope(options.where) });
  }

  findOneBy(where: Where<E>): Promise<E | null> {
    return this.findOne({ where });
  }

  count(options: FindManyOptions<E> = {}): Promise<number> {
    return this.manager().count(this.entity, { ...options, where: this.scope(options.where) });
  }

  exists(where: Where<E>): Promise<boolean> {
    return this.manager().exists(this.entity, { where: this.scope(where) });
  }

  /** Inserts and returns what was inserted, ids included. */
  async insert(rows: DeepPartial<E> | DeepPartial<E>[]): Promise<E[]> {
    const stamped = [rows].flat().map((row) => this.stamp(row as Partial<TenantOwned>));
    await this.manager().insert(this.entity, stamped as unknown as QueryDeepPartialEntity<E>[]);
    return stamped as unknown as E[];
  }

  /** @returns the number of rows changed */
  async update(where: FindOptionsWhere<E>, changes: QueryDeepPartialEntity<E>): Promise<number> {
    const owned = changes as Partial<TenantOwned>;
    const tenantId = this.tenantId();
    if (owned.tenantId !== undefined && owned.tenantId !== tenantId) throw new TenantMismatch('The change');
    const criteria = this.scope(where) as FindOptionsWhere<E>;
    return (await this.manager().update(this.entity, criteria, changes)).affected ?? 0;
  }

  /** @returns the number of rows deleted */
  async delete(where: FindOptionsWhere<E>): Promise<number> {
    return (await this.manager().delete(this.entity, this.scope(where))).affected ?? 0;
  }

  /** Inserts, or updates the row of this tenant that has the same values in `conflict` (property names). */
  async upsert(rows: DeepPartial<E> | DeepPartial<E>[], conflict: (keyof E & string)[]): Promise<void> {
    const stamped = [rows].flat().map((row) => this.stamp(row as Partial<TenantOwned>));
    const paths = [...new Set(['tenantId', ...conflict])];
    await this.manager().upsert(this.entity, stamped as unknown as QueryDeepPartialEntity<E>[], paths);
  }

  /** A SELECT builder that stays in the tenant whatever `where`, `orWhere`, join or subquery is added. */
  createQueryBuilder(alias: string): SelectQueryBuilder<E> {
    this.tenantId();
    return this.manager().createQueryBuilder(this.entity, alias);
  }

  private manager(): ReturnType<TenantTransaction['manager']> {
    this.tenantId();
    return this.transaction.manager();
  }

  private tenantId(): string {
    return this.context.currentOrThrow(`${this.entity.name} data`).id;
  }

  private scope(where: Where<E> | undefined): Where<E> {
    const tenantId = this.tenantId();
    const branch = (part: FindOptionsWhere<E>): FindOptionsWhere<E> => {
      const named = (part as { tenantId?: unknown }).tenantId;
      if (named !== undefined && named !== tenantId) throw new TenantMismatch('The criterion');
      return { ...part, tenantId };
    };
    return Array.isArray(where) ? where.map(branch) : branch(where ?? {});
  }

  private stamp(row: Partial<TenantOwned>): Partial<TenantOwned> {
    const tenantId = this.tenantId();
    if (row.tenantId !== undefined && row.tenantId !== tenantId) throw new TenantMismatch('The row');
    return { ...row, tenantId, id: row.id ?? newId() };
  }
}

export function tenantRepositoryToken(entity: Class<TenantOwned>): string {
  return `TenantRepository<${entity.name}>`;
}

/** Injects the repository of a tenant-owned entity, which the product lists. */
export function InjectTenantRepository(entity: Class<TenantOwned>): ParameterDecorator {
  return Inject(tenantRepositoryToken(entity));
}
