import { PrimaryColumn } from 'typeorm';

/**
 * The base of every tenant-owned entity; extending it is all an author does. The key is composite, so a row can
 * neither be moved to another tenant nor be found by its id alone.
 */
export abstract class TenantOwned {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId: string;

  /** UUIDv7, given by the kernel on insert when left out. */
  @PrimaryColumn('uuid', { name: 'id' })
  id: string;
}

export function isTenantOwned(target: unknown): boolean {
  return typeof target === 'function' && target.prototype instanceof TenantOwned;
}
