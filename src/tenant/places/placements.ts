import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DATABASE, isOlder, type PreparedDatabase } from '../../database/index.js';
import { type Isolation, type Placement, DEFAULT_SERVER, TenantDataSource } from '../../tenancy/index.js';
import { type Place, placementOf } from './place.js';
import { PlaceBuilder } from './place.builder.js';
import { PlaceHold } from './place.hold.js';
import { PlaceStore } from './place.store.js';
import { DatabasesUnavailable, Servers, type Wishes } from './servers.js';

/** How long until a place in other hands is looked at again, in ms. */
const WAIT_MS = 100;

/** What a new tenant asks for. */
export interface PlacementWishes extends Wishes {
  isolation?: Isolation;
  /** Whether a role of its own enters its schema; its database is entered by no other anyway. */
  login?: boolean;
}

/** Gives tenants their places, and takes them back. */
@Injectable()
export class Placements {
  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
    private readonly builder: PlaceBuilder,
    private readonly tenants: TenantDataSource,
  ) {}

  /**
   * Settles where a tenant will live, in the transaction that makes it; a place that is not ready is made later.
   *
   * @throws UnknownServer, NoServer, DatabasesUnavailable
   */
  async allocate(manager: EntityManager, tenantId: string, wishes: PlacementWishes): Promise<Placement> {
    const { isolation = 'shared' } = wishes;
    const login = isolation === 'database' || wishes.login === true;
    const server = await this.servers.choose(manager, wishes);
    if (isolation === 'shared') return { kind: 'shared', ...(server !== DEFAULT_SERVER && { server }) };
    if (isolation === 'database' && server === DEFAULT_SERVER) await this.checkCreation(manager);
    const wanted = { kind: isolation, server, version: this.builder.head, login };
    return placementOf(await this.places.allocate(manager, tenantId, wanted));
  }

  /** Where the user of DATABASE_URL may not create databases, neither may the provisioner. */
  private async checkCreation(manager: EntityManager): Promise<void> {
    const role = this.database.roles.name('provisioner');
    const rows = await manager.query<unknown[]>('SELECT 1 FROM pg_roles WHERE rolname = $1 AND rolcreatedb', [role]);
    if (rows.length === 0) throw new DatabasesUnavailable(role);
  }

  /** Makes what is missing of the tenant's places. */
  async build(tenantId: string): Promise<void> {
    for (const place of await this.places.ofTenant(tenantId))
      if (place.state === 'making') await this.builder.build(place);
  }

  /** Brings the tenant's places to head. */
  async migrate(tenantId: string): Promise<void> {
    for (const place of await this.places.ofTenant(tenantId)) {
      if (place.state !== 'dropping' && isOlder(place.version, this.builder.head)) await this.builder.migrate(place);
    }
  }

  /** Drops all that was made for the tenant alone. May be repeated. */
  async drop(tenantId: string): Promise<void> {
    const places = await this.places.ofTenant(tenantId);
    if (places.length === 0) return;
    const hold = await PlaceHold.open(this.database);
    try {
      for (const place of places) {
        await this.places.condemn(place);
        this.tenants.connections.forget(placementOf(place));
        if (await this.takeInHand(hold, tenantId, place)) await this.builder.drop(place);
      }
    } finally {
      await hold.close();
    }
  }

  /** Waits for whoever migrates or drops it. @returns false when it is gone */
  private async takeInHand(hold: PlaceHold, tenantId: string, { name }: Place): Promise<boolean> {
    for (;;) {
      const place = (await this.places.ofTenant(tenantId)).find((left) => left.name === name);
      if (!place) return false;
      if (await hold.take(place)) return true;
      await sleep(WAIT_MS);
    }
  }
}
