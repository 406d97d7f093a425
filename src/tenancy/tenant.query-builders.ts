import {
  DeleteQueryBuilder,
  type ObjectLiteral,
  type QueryRunner,
  SelectQueryBuilder,
  UpdateQueryBuilder,
} from 'typeorm';
import { SoftDeleteQueryBuilder } from 'typeorm/query-builder/SoftDeleteQueryBuilder.js';
import { ResultTooLarge } from './tenancy.errors.js';
import { boundOf, MAX_ROWS } from './tenant.bounds.js';
import type { TenantContext } from './tenant.context.js';
import type { TenantDataSource } from './tenant.data-source.js';
import { isTenantOwned } from './tenant-owned.js';

const PARAMETER = 'scopedTenantId';

interface ScopedAlias {
  name: string;
  type: string;
  hasMetadata: boolean;
  metadata: { target: unknown };
}

/** Wraps whatever the author wrote, so that neither a second `where` nor an `orWhere` widens the scope. */
function withTenant(where: string, conditions: string[]): string {
  if (conditions.length === 0) return where;
  const own = where.replace(/^ WHERE /, '');
  return ` WHERE ${own === '' ? '' : `( ${own} ) AND `}${conditions.join(' AND ')}`;
}

function contextOf(builder: { dataSource: unknown }): TenantContext {
  return (builder.dataSource as TenantDataSource).context;
}

function owned(alias: ScopedAlias): boolean {
  return alias.hasMetadata && isTenantOwned(alias.metadata.target);
}

/** Every SELECT of the tenant data source: TypeORM's own `find` runs through it as well. */
export class TenantSelectQueryBuilder<Entity extends ObjectLiteral> extends SelectQueryBuilder<Entity> {
  /** While it is sent: how many rows it may read. A subquery of another builder may look at any number. */
  private mostRows: number | undefined;

  /** @throws ResultTooLarge when there are more rows than the tenant's plan allows; no more than one of them is read */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the inherited signature
  protected override async loadRawResults(queryRunner: QueryRunner): Promise<any> {
    const tenant = contextOf(this).current();
    if (!tenant) return super.loadRawResults(queryRunner);
    const most = boundOf(tenant, MAX_ROWS);
    this.mostRows = most;
    try {
      const rows = (await super.loadRawResults(queryRunner)) as unknown[];
      if (rows.length > most) throw new ResultTooLarge(most);
      return rows;
    } finally {
      this.mostRows = undefined;
    }
  }

  protected override createLimitOffsetExpression(): string {
    if (this.mostRows === undefined) return super.createLimitOffsetExpression();
    const { limit, offset, skip, take, joinAttributes } = this.expressionMap;
    const pages = limit === undefined && offset === undefined && joinAttributes.length === 0;
    const [from, asked] = pages ? [skip, take] : [offset, limit];
    if (typeof asked === 'number' && asked <= this.mostRows) return super.createLimitOffsetExpression();
    return ` LIMIT ${this.mostRows + 1}${from ? ` OFFSET ${from}` : ''}`;
  }

  protected override createWhereExpression(): string {
    const where = super.createWhereExpression();
    const aliases = (this.expressionMap.aliases as ScopedAlias[]).filter((a) => a.type === 'from' && owned(a));
    return withTenant(where, this.scope(aliases));
  }

  protected override createJoinExpression(): string {
    for (const join of this.expressionMap.joinAttributes) {
      if (!owned(join.alias)) continue;
      const [condition = ''] = this.scope([join.alias]);
      if (join.condition?.includes(condition)) continue;
      join.condition = join.condition ? `(${join.condition}) AND ${condition}` : condition;
    }
    return super.createJoinExpression();
  }

  private scope(aliases: ScopedAlias[]): string[] {
    if (aliases.length === 0 || !filterEnabled(this)) return [];
    this.setParameter(PARAMETER, contextOf(this).currentOrThrow('A query of tenant-owned rows').id);
    return aliases.map((alias) => `${alias.name}.tenantId = :${PARAMETER}`);
  }
}

function scopeOfWrite(builder: {
  dataSource: unknown;
  expressionMap: { mainAlias?: unknown };
  setParameter: (k: string, v: unknown) => unknown;
}): string[] {
  const alias = builder.expressionMap.mainAlias as ScopedAlias | undefined;
  if (!alias || !owned(alias) || !filterEnabled(builder)) return [];
  builder.setParameter(PARAMETER, contextOf(builder).currentOrThrow('A write of tenant-owned rows').id);
  return [`tenant_id = :${PARAMETER}`];
}

export class TenantUpdateQueryBuilder<Entity extends ObjectLiteral> extends UpdateQueryBuilder<Entity> {
  protected override createWhereExpression(): string {
    return withTenant(super.createWhereExpression(), scopeOfWrite(this));
  }
}

export class TenantDeleteQueryBuilder<Entity extends ObjectLiteral> extends DeleteQueryBuilder<Entity> {
  protected override createWhereExpression(): string {
    return withTenant(super.createWhereExpression(), scopeOfWrite(this));
  }
}

export class TenantSoftDeleteQueryBuilder<Entity extends ObjectLiteral> extends SoftDeleteQueryBuilder<Entity> {
  protected override createWhereExpression(): string {
    return withTenant(super.createWhereExpression(), scopeOfWrite(this));
  }
}

function filterEnabled(builder: { dataSource: unknown }): boolean {
  return !(builder.dataSource as TenantDataSource).layersOff.has('filter');
}
