import type {
  EntitySubscriberInterface,
  InsertEvent,
  LoadEvent,
  RemoveEvent,
  SoftRemoveEvent,
  UpdateEvent,
} from 'typeorm';
import { newId } from '../common/index.js';
import { TenantMismatch } from './tenancy.errors.js';
import type { TenantDataSource } from './tenant.data-source.js';
import { isTenantOwned, TenantOwned } from './tenant-owned.js';

/** Stamps the tenant on insert; refuses any row of another tenant on load, update and remove. */
export class TenantSubscriber implements EntitySubscriberInterface {
  constructor(private readonly source: TenantDataSource) {}

  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- TypeORM's signature
  listenTo(): Function {
    return TenantOwned;
  }

  beforeInsert(event: InsertEvent<unknown>): void {
    for (const row of [event.entity].flat()) this.stamp(event.metadata.target, row as Partial<TenantOwned>);
  }

  beforeUpdate(event: UpdateEvent<unknown>): void {
    this.check(event.metadata.target, event.entity, 'The row to update');
    this.check(event.metadata.target, event.databaseEntity, 'The row to update');
  }

  beforeRemove(event: RemoveEvent<unknown>): void {
    this.check(event.metadata.target, event.databaseEntity ?? event.entity, 'The row to remove');
  }

  beforeSoftRemove(event: SoftRemoveEvent<unknown>): void {
    this.check(event.metadata.target, event.databaseEntity ?? event.entity, 'The row to remove');
  }

  afterLoad(entity: unknown, event?: LoadEvent<unknown>): void {
    this.check(event?.metadata.target, entity, 'A loaded row');
  }

  private stamp(target: unknown, row: Partial<TenantOwned> | undefined): void {
    if (!row || !isTenantOwned(target) || this.off()) return;
    const tenant = this.source.context.currentOrThrow('An insert of tenant-owned rows');
    if (row.tenantId !== undefined && row.tenantId !== tenant.id) throw new TenantMismatch('The row to insert');
    row.tenantId = tenant.id;
    row.id ??= newId();
  }

  private check(target: unknown, row: unknown, what: string): void {
    if (!row || !isTenantOwned(target) || this.off()) return;
    const tenantId = (row as Partial<TenantOwned>).tenantId;
    // A partial selection or a bare criterion carries no tenant; filter, keys and policy cover those.
    if (tenantId === undefined) return;
    if (tenantId !== this.source.context.currentOrThrow(what).id) throw new TenantMismatch(what);
  }

  private off(): boolean {
    return this.source.layersOff.has('subscriber');
  }
}
