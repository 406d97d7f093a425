import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { DATABASE, type PreparedDatabase, SteadyClient } from '../../database/index.js';
import {
  InjectPlatformDataSource,
  isInHomeDatabase,
  type Placement,
  serverOf,
  TenantTransaction,
} from '../../tenancy/index.js';
import { Servers } from '../places/servers.js';

/** What a worker has taken a tenant with. The number only ever grows: whoever takes the tenant next has a greater one. */
export interface Lease {
  readonly tenantId: string;
  readonly lease: string;
}

/** Somebody else has the tenant by now: what was to be done or noted was not. */
export class LeaseLost extends Error {
  constructor() {
    super('The lease on the provisioning was lost.');
    this.name = 'LeaseLost';
  }
}

type Queries = Pick<EntityManager, 'query'>;

const KEY = `hashtextextended('tenantry:provisioning:' || $1, 0)`;
const SHARE = `SELECT pg_advisory_xact_lock_shared(${KEY})`;
const ALONE = `SELECT pg_advisory_xact_lock(${KEY})`;
const TRY = `SELECT pg_try_advisory_xact_lock(${KEY}) AS clear`;
const CONNECT_MS = 10_000;
/** There is no such database yet, or nobody may enter it yet (PostgreSQL documentation, appendix A). */
const NOT_MADE = ['3D000', '42501'];
const HELD = 'SELECT 1 FROM provisionings WHERE tenant_id = $1 AND lease = $2';
const HELD_LOCKED = `${HELD} FOR UPDATE`;

/**
 * Keeps a worker that hung from doing anything once another has its tenant. Every effect of a step shares a lock for as
 * long as its transaction is open, and asks for its lease after it has the lock. Whoever takes the tenant begins only when
 * nobody has the lock: so an effect of before has either ended by then, or finds its lease gone.
 */
@Injectable()
export class ProvisioningFence {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly transaction: TenantTransaction,
    private readonly servers: Servers,
  ) {}

  /**
   * Whether no effect of an earlier lease is under way. Locks belong to one database: effects on the tenant's data hold
   * theirs where that is, the others in the control plane's.
   *
   * @throws when it cannot be told
   */
  async isClear({ tenantId }: Lease): Promise<boolean> {
    const [row] = await this.platform.query<{ clear: boolean }[]>(TRY, [tenantId]);
    if (!row?.clear) return false;
    const [tenant] = await this.platform.query<{ placement: Placement }[]>(
      'SELECT placement FROM tenants WHERE id = $1',
      [tenantId],
    );
    return !tenant || isInHomeDatabase(tenant.placement) || this.isClearAt(tenant.placement, tenantId);
  }

  /** First of all in a transaction on the tenant's data. @throws LeaseLost */
  async enter(lease: Lease): Promise<void> {
    await this.transaction.query(SHARE, [lease.tenantId]);
    await check(this.platform, lease);
  }

  /** In a transaction of the control plane, after the tenant's own row is locked. @throws LeaseLost */
  async hold(manager: EntityManager, lease: Lease): Promise<void> {
    await check(manager, lease, HELD_LOCKED);
  }

  /** Around an effect that is no single transaction. @throws LeaseLost */
  during<T>(lease: Lease, effect: () => Promise<T>): Promise<T> {
    return withClient(this.database.url('platform', true), async (client) => {
      await client.query('BEGIN');
      await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      await client.query(SHARE, [lease.tenantId]);
      const { rowCount } = await client.query(HELD, [lease.tenantId, lease.lease]);
      if (rowCount === 0) throw new LeaseLost();
      return effect();
    });
  }

  /** Around an effect on what is left of a tenant that is gone. One that comes back under its id is let write after it. */
  whileGone(tenantId: string, effect: () => Promise<unknown>): Promise<void> {
    return withClient(this.database.url('platform', true), async (client) => {
      await client.query('BEGIN');
      await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      await client.query(ALONE, [tenantId]);
      const { rowCount } = await client.query('SELECT 1 FROM tenants WHERE id = $1', [tenantId]);
      if (rowCount === 0) await effect();
    });
  }

  private async isClearAt(placement: Placement, tenantId: string): Promise<boolean> {
    const address = await this.servers.addressOf(serverOf(placement));
    const url = address.url('maintenance', true, placement.kind === 'database' ? placement.database : undefined);
    try {
      const { rows } = await withClient(url, (client) => client.query<{ clear: boolean }>(TRY, [tenantId]));
      return rows[0]?.clear ?? false;
    } catch (error) {
      if (NOT_MADE.includes((error as pg.DatabaseError).code ?? '')) return true;
      throw error;
    }
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new SteadyClient({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function check(queries: Queries, { tenantId, lease }: Lease, sql = HELD): Promise<void> {
  if ((await queries.query<unknown[]>(sql, [tenantId, lease])).length === 0) throw new LeaseLost();
}
