import type pg from 'pg';
import type { ServerAddress } from '../database/index.js';
import { ConnectionBroker } from './connection.broker.js';
import { Budget, type ConnectionTarget } from './connection.budget.js';
import type { Share } from './fair.queue.js';
import type { PlanReserves } from './plan.reserves.js';
import { ConnectionsExhausted, PlacementUnavailable, TenantBusy } from './tenancy.errors.js';
import { type Placement, DEFAULT_SERVER, hasOwnLogin, schemaOf, serverOf } from './tenant.js';

/** Port: the servers that tenants are placed on, besides the primary. */
export abstract class ServerDirectory {
  /** @throws when there is no such server, or it cannot be told */
  abstract addressOf(name: string): Promise<ServerAddress>;
}

export interface ConnectionLimits {
  /** Connections to the shared tables of one server. */
  shared: number;
  /** All connections for the work of tenants. */
  all: number;
  /** Connections as one tenant's own login role. */
  each: number;
}

/** What makes the tables of a schema unsafe to serve from, seen by the role that would. */
export type PlaceCheck = (client: pg.ClientBase, schema: string) => Promise<string[]>;

/**
 * Connections by placement. Tenants in shared tables, and in schemas without a login role, share those of their server;
 * the others have their own, within one budget. A place that cannot be reached, or is not safe to serve from, fails its
 * own tenant alone, and no tenant is ever served from another place than its own.
 */
export class TenantConnections {
  private readonly broker = new ConnectionBroker(CONFIG);
  private readonly own: Budget;
  private readonly sharedOfPrimary: ConnectionTarget;
  private readonly targets = new Map<string, ConnectionTarget>();
  /** Places whose tables this process has looked at. */
  private readonly verified = new Set<string>();

  constructor(
    private readonly primary: ServerAddress,
    private readonly servers: ServerDirectory,
    private readonly limits: ConnectionLimits,
    private readonly check: PlaceCheck,
    private readonly reserves: Pick<PlanReserves, 'connections'>,
  ) {
    this.own = new Budget('own', limits.all - limits.shared, () => reserves.connections);
    this.sharedOfPrimary = this.sharedTarget(DEFAULT_SERVER, primary);
  }

  /**
   * @param plan of the tenant that it is for
   * @param share whose wait it is, where tenants wait for the same connections
   * @throws ConnectionsExhausted, TenantBusy, PlacementUnavailable; of the primary's shared tables whatever the driver says
   */
  async acquire(placement: Placement, plan?: string, share?: Share): Promise<pg.PoolClient> {
    if (placement.kind === 'shared' && serverOf(placement) === DEFAULT_SERVER) {
      return this.broker.acquire(this.sharedOfPrimary, plan, share);
    }
    try {
      const client = await this.broker.acquire(await this.targetOf(placement), plan, share);
      if (!this.verified.has(placeOf(placement))) await this.verify(client, placement);
      return client;
    } catch (error) {
      const busy = error instanceof ConnectionsExhausted || error instanceof TenantBusy;
      throw busy ? error : new PlacementUnavailable(error);
    }
  }

  counts(): { total: number; idle: number; waiting: number } {
    return this.broker.counts();
  }

  /** What is known of a place is no longer so: it is looked at anew, and connections that it alone has are closed. */
  forget(placement: Placement): void {
    const place = placeOf(placement);
    this.verified.delete(place);
    if (hasOwnLogin(placement) && this.targets.delete(place)) this.broker.forget(place);
  }

  end(): Promise<void> {
    return this.broker.end();
  }

  private async targetOf(placement: Placement): Promise<ConnectionTarget> {
    const server = serverOf(placement);
    const own = placement.kind !== 'shared' && placement.login !== undefined;
    const known = this.targets.get(own ? placeOf(placement) : sharedKey(server));
    if (known) return known;
    const address = server === DEFAULT_SERVER ? this.primary : await this.servers.addressOf(server);
    return own ? this.ownTarget(placement, address) : this.sharedTarget(server, address);
  }

  private sharedTarget(server: string, address: ServerAddress): ConnectionTarget {
    const key = sharedKey(server);
    const max = this.limits.shared;
    const budget = new Budget(key, max, () => this.reserves.connections);
    const target = { key, connectionString: address.url('tenant'), max, budget };
    this.targets.set(key, target);
    return target;
  }

  private ownTarget(placement: Exclude<Placement, { kind: 'shared' }>, address: ServerAddress): ConnectionTarget {
    const key = placeOf(placement);
    const database = placement.kind === 'database' ? placement.database : undefined;
    const connectionString = address.loginUrl(placement.login!, false, database);
    const target = { key, connectionString, max: this.limits.each, budget: this.own };
    this.targets.set(key, target);
    return target;
  }

  private async verify(client: pg.PoolClient, placement: Placement): Promise<void> {
    let problems: string[];
    try {
      problems = await this.check(client, schemaOf(placement));
    } catch (error) {
      client.release(true);
      throw error;
    }
    if (problems.length > 0) {
      client.release();
      throw new Error(`Not safe to serve from: ${problems.join(' ')}`);
    }
    this.verified.add(placeOf(placement));
  }
}

// The driver's types do not know of pipelining.
const CONFIG = { pipeline: true, keepAlive: true, connectionTimeoutMillis: 10_000 } as pg.ClientConfig;

const sharedKey = (server: string): string => `${server} shared`;

/** Names a place among all of all servers. */
export function placeOf(placement: Placement): string {
  switch (placement.kind) {
    case 'shared':
      return sharedKey(serverOf(placement));
    case 'schema':
      return `${serverOf(placement)} schema ${placement.schema}`;
    case 'database':
      return `${serverOf(placement)} database ${placement.database}`;
  }
}
