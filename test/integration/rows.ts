import { randomBytes } from 'node:crypto';
import type { EntityMetadata } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import { newId } from '../../src/common/index.js';
import {
  type Tenant,
  TenantDataSource,
  TenantOwned,
  TenantRepository,
  tenantRepositoryToken,
  TenantRunner,
} from '../../src/tenancy/index.js';
import type { TestApp } from '../kit/test-app.js';

export type Row = Record<string, unknown> & { tenantId: string; id: string };
export type Entity = new () => TenantOwned;

/** Makes rows of any tenant-owned entity out of its metadata, parents first. */
export class Rows {
  readonly source: TenantDataSource;
  readonly runner: TenantRunner;

  private constructor(
    readonly t: TestApp,
    readonly acme: Tenant,
    readonly globex: Tenant,
    private readonly allowed: Map<string, string>,
    private readonly unchangeable: Set<string>,
  ) {
    this.source = t.app.get(TenantDataSource);
    this.runner = t.app.get(TenantRunner);
  }

  static async of(t: TestApp): Promise<Rows> {
    // A text column with a CHECK takes only what the catalogue says it takes.
    const checks = await t.database.admin<{ key: string; def: string }>(
      `SELECT c.relname || '.' || a.attname AS key, pg_get_constraintdef(k.oid) AS def
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'c' AND k.connamespace = 'shared'::regnamespace`,
    );
    const allowed = new Map(checks.map(({ key, def }) => [key, /'([^']*)'/.exec(def)?.[1] ?? '']));
    const unchangeable = await t.database.admin<{ name: string }>(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'shared'::regnamespace AND relkind IN ('r', 'p')
          AND NOT has_any_column_privilege($1, oid, 'UPDATE') AND NOT has_table_privilege($1, oid, 'DELETE, TRUNCATE')`,
      [t.database.prepared.roles.name('tenant')],
    );
    const names = new Set(unchangeable.map((table) => table.name));
    return new Rows(t, await t.tenant('acme'), await t.tenant('globex'), allowed, names);
  }

  get metadatas(): EntityMetadata[] {
    return this.source.entityMetadatas;
  }

  /** Whether the grants leave the tenant role no way to change or remove a row of the table. */
  appendOnly(metadata: EntityMetadata): boolean {
    return this.unchangeable.has(metadata.tableName);
  }

  repository(metadata: EntityMetadata): TenantRepository<TenantOwned> {
    return this.t.app.get(tenantRepositoryToken(metadata.target as Entity));
  }

  /** Runs `fn` as the tenant; a synchronous throw becomes a rejection. */
  as<T>(tenant: Tenant, fn: () => Promise<T> | T): Promise<T> {
    return this.runner.run(tenant, async () => fn());
  }

  /** Inserts a row, and the rows it belongs to, through repositories. */
  async seed(metadata: EntityMetadata, tenant: Tenant): Promise<Row> {
    const row = await this.make(metadata, tenant);
    const [inserted] = await this.as(tenant, () => this.repository(metadata).insert(row));
    return inserted as unknown as Row;
  }

  /** A row that is not stored yet; its parents are. */
  async make(metadata: EntityMetadata, tenant: Tenant): Promise<object> {
    const row: Record<string, unknown> = { id: newId() };
    for (const column of this.plainColumns(metadata)) row[column.propertyName] = this.value(metadata, column);
    for (const relation of parentsOf(metadata)) {
      const parent = await this.seed(relation.inverseEntityMetadata, tenant);
      for (const column of relation.joinColumns) {
        if (column.propertyName === 'tenantId') continue;
        row[column.propertyName] = parent[column.referencedColumn?.propertyName ?? 'id'];
      }
    }
    return row;
  }

  /** A change of one column that is neither key nor reference. */
  change(metadata: EntityMetadata): object {
    const column = this.plainColumns(metadata).at(-1);
    if (!column) throw new Error(`${metadata.name} has nothing to change`);
    return { [column.propertyName]: this.value(metadata, column) };
  }

  /** Everything the tenant has in the table, seen past every layer. */
  stored(metadata: EntityMetadata, tenant: Tenant): Promise<Record<string, unknown>[]> {
    return this.t.database.admin(`SELECT * FROM everywhere.${metadata.tableName} WHERE tenant_id = $1 ORDER BY id`, [
      tenant.id,
    ]);
  }

  async clear(): Promise<void> {
    const deletions = this.metadatas.map((metadata) => `DELETE FROM everywhere.${metadata.tableName}`);
    await this.t.database.admin(deletions.join('; '));
  }

  private plainColumns(metadata: EntityMetadata): ColumnMetadata[] {
    const references = parentsOf(metadata).flatMap((relation) => relation.joinColumns.map((c) => c.databaseName));
    return metadata.columns.filter((column) => !column.isPrimary && !references.includes(column.databaseName));
  }

  private value(metadata: EntityMetadata, column: ColumnMetadata): unknown {
    const allowed = this.allowed.get(`${metadata.tableName}.${column.databaseName}`);
    if (allowed) return allowed;
    const type = String(column.type);
    if (column.isArray) return [randomBytes(4).toString('hex')];
    if (type === 'uuid') return newId();
    if (type === 'bytea') return randomBytes(32);
    if (type.startsWith('timestamp')) return new Date(Math.floor(Math.random() * 1e12));
    if (type === 'date') return '2024-02-29';
    if (/^(small|big)?int|^integer|^numeric|^double|^real/.test(type)) return Math.floor(Math.random() * 1000);
    if (type === 'boolean') return true;
    if (type.startsWith('json')) return { value: randomBytes(4).toString('hex') };
    return randomBytes(8).toString('hex');
  }
}

export function parentsOf(metadata: EntityMetadata): EntityMetadata['relations'] {
  return metadata.relations.filter((relation) => relation.isOwning && relation.joinColumns.length > 0);
}
