import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';

/** Why a copy is suspended that was in service when its holder was suspended. It comes back with its holder. */
export const HOLDER_SUSPENDED = 'The tenant that it belongs to is suspended.';
export const HOLDER_RESUMED = 'The tenant that it belongs to is back in service.';

/** What an admin has made a tenant of its own is nobody's copy any more. */
const COPIES = `('sandbox', 'training')`;
const HOLDER = `SELECT holder_tenant_id AS id FROM tenants
  WHERE id = $1 AND holder_tenant_id IS NOT NULL AND kind IN ${COPIES}`;
const HELD = `SELECT id FROM tenants WHERE holder_tenant_id = $1 AND kind IN ${COPIES}
    AND status IN ('active', 'suspended') ORDER BY id`;
const EXPIRE_UNMADE = `UPDATE tenants SET expires_at = now(), updated_at = now()
  WHERE holder_tenant_id = $1 AND kind IN ${COPIES} AND status IN ('provisioning', 'failed')
    AND (expires_at > now() OR expires_at IS NULL)`;

/** Sandboxes and training copies as their holder's. Whoever locks both locks the holder first. */
@Injectable()
export class HeldCopies {
  constructor(private readonly store: TenantStore) {}

  /** @returns whom the tenant belongs to, locked; undefined when it is nobody's copy */
  async lockHolderOf(manager: EntityManager, id: string): Promise<TenantRecord | undefined> {
    const [holder] = await manager.query<{ id: string }[]>(HOLDER, [id]);
    return holder && this.store.lock(manager, holder.id);
  }

  /** Those in service or suspended, locked. */
  async lockHeldBy(manager: EntityManager, holderId: string): Promise<TenantRecord[]> {
    const rows = await manager.query<{ id: string }[]>(HELD, [holderId]);
    const copies: TenantRecord[] = [];
    for (const { id } of rows) copies.push(await this.store.lock(manager, id));
    return copies;
  }

  /** What is not made, or could not be, ends as well: the rules roll back what fails. */
  async expireUnmade(manager: EntityManager, holderId: string): Promise<void> {
    await manager.query(EXPIRE_UNMADE, [holderId]);
  }
}
