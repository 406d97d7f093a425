import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { type Lease, LeaseLost } from '../provisioning/provisioning.fence.js';
import { PROVISIONING_CHANNEL, ProvisioningStore } from '../provisioning/provisioning.store.js';

const LEASE_MS = 60_000;
const BEGIN = `INSERT INTO provisionings (tenant_id, state, lease, next_attempt_at)
  VALUES ($1, 'undoing', nextval('provisioning_leases'), clock_timestamp() + $2 * interval '1 millisecond') RETURNING lease`;
const END = 'DELETE FROM provisionings WHERE tenant_id = $1 AND lease = $2';

/** Not what is in service by now, nor what somebody else has taken. */
const GIVE_UP = `WITH due AS (UPDATE provisionings SET lease = NULL, next_attempt_at = now()
    WHERE tenant_id = $1 AND lease = $2 AND state = 'undoing' RETURNING 1)
  SELECT pg_notify($3, '') FROM due`;

/**
 * An import is written down as something to be undone, from the moment its tenant is in the registry until all of it is
 * there. Whoever imports keeps that from happening; when it dies, the Provisioner takes back what it made.
 */
@Injectable()
export class ImportLease {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly provisionings: ProvisioningStore,
  ) {}

  /** In the transaction that makes the tenant. */
  async begin(manager: EntityManager, tenantId: string): Promise<Lease> {
    const [row] = await manager.query<{ lease: string }[]>(BEGIN, [tenantId, LEASE_MS]);
    return { tenantId, lease: row!.lease };
  }

  /** In the transaction that puts it into service. @throws LeaseLost */
  async end(manager: EntityManager, { tenantId, lease }: Lease): Promise<void> {
    const [, ended] = await manager.query<[unknown[], number]>(END, [tenantId, lease]);
    if (ended === 0) throw new LeaseLost();
  }

  /** Has what was made taken back, by the next worker that is free. */
  async giveUp({ tenantId, lease }: Lease): Promise<void> {
    await this.platform.query(GIVE_UP, [tenantId, lease, PROVISIONING_CHANNEL]);
  }

  /** Keeps the lease for as long as `work` takes. */
  async during<T>(lease: Lease, work: () => Promise<T>): Promise<T> {
    const renewal = setInterval(
      () => void this.provisionings.renew(lease, LEASE_MS).catch(() => undefined),
      LEASE_MS / 4,
    );
    try {
      return await work();
    } finally {
      clearInterval(renewal);
    }
  }
}
