import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import {
  type Capture,
  captureOf,
  DATABASE,
  hideDatabase,
  hideSchema,
  isOlder,
  PlaceMigrator,
  type PreparedDatabase,
  startCapture,
  stopCapture,
} from '../../database/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource, type Placement, schemaOf, serverOf } from '../../tenancy/index.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import type { Place } from '../places/place.js';
import { PlaceBuilder } from '../places/place.builder.js';
import { PLACES_CHANNEL, PlaceStore } from '../places/place.store.js';
import { Servers } from '../places/servers.js';
import { connect, MovePlace } from './move.place.js';

const FILL = `UPDATE places SET state = 'filling', updated_at = now() WHERE server = $1 AND name = $2 AND state = 'used'`;
const SETTLE = `UPDATE places SET state = CASE WHEN server = $2 AND name = $3 THEN 'used' ELSE 'kept' END, updated_at = now()
  WHERE tenant_id = $1 AND (server, name) IN (($2, $3), ($4, $5)) AND state IN ('used', 'filling', 'kept')`;

/** Makes, reaches and takes back the places of moves. */
@Injectable()
export class MovePlaces {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
    private readonly builder: PlaceBuilder,
    private readonly rules: ArchiveRules,
  ) {}

  /** A place that was allocated is one that is being filled: nothing but the move touches it. */
  async reserve(manager: EntityManager, placement: Placement): Promise<void> {
    const name = nameOf(placement);
    if (name !== undefined) await manager.query(FILL, [serverOf(placement), name]);
  }

  /** Makes what is missing of a place, and brings it to head. */
  async build(tenantId: string, placement: Placement): Promise<void> {
    const server = serverOf(placement);
    // The fence of a server's schemas is in its shared tables.
    if (server !== DEFAULT_SERVER && placement.kind !== 'database') await this.migrateShared(server);
    const place = await this.find(tenantId, placement);
    if (!place) return;
    if (place.state === 'making') {
      await this.builder.build(place);
      // Made for a tenant, it would be taken for the one that it is served from.
      await this.platform.query(FILL, [place.server, place.name]);
    } else if (isOlder(place.version, this.builder.head)) {
      await this.builder.migrate(place);
    }
  }

  open(tenantId: string, placement: Placement): Promise<MovePlace> {
    return this.url(placement).then((url) => MovePlace.open(url, placement, tenantId));
  }

  /** To read, beside whoever works there. */
  look(tenantId: string, placement: Placement): Promise<MovePlace> {
    return this.url(placement).then((url) => MovePlace.look(url, placement, tenantId));
  }

  /** One more connection to a place. */
  async connect(placement: Placement): Promise<pg.Client> {
    return connect(await this.url(placement));
  }

  startCapture(tenantId: string, placement: Placement): Promise<void> {
    return this.asMigrator(placement, (client, schema) => startCapture(client, { schema, tenantId, purpose: 'move' }));
  }

  stopCapture(tenantId: string, placement: Placement): Promise<void> {
    return this.asMigrator(placement, (client, schema) => stopCapture(client, { schema, tenantId, purpose: 'move' }));
  }

  /** Keeps what becomes of the tenant's rows at a place, from when this resolves. May be repeated. */
  keepHistory(tenantId: string, placement: Placement): Promise<void> {
    return this.asMigrator(placement, (client) => startCapture(client, this.historyOf(tenantId, placement)));
  }

  /** Ends that; what was kept stays. */
  endHistory(tenantId: string, placement: Placement): Promise<void> {
    return this.asMigrator(placement, (client) => stopCapture(client, this.historyOf(tenantId, placement)));
  }

  /** @returns `some` when only of some tables, because a worker has begun or ended it and not come to the end */
  historyAt({ client, tenantId }: Pick<MovePlace, 'client' | 'tenantId'>, placement: Placement) {
    return captureOf(client, this.historyOf(tenantId, placement));
  }

  /** From now on the tenant's place is the target, and what it was before is kept. */
  async settle(manager: EntityManager, tenantId: string, source: Placement, target: Placement): Promise<void> {
    const [from, to] = [nameOf(source) ?? null, nameOf(target) ?? null];
    await manager.query(SETTLE, [tenantId, serverOf(target), to, serverOf(source), from]);
  }

  /** Has a schema or database dropped; does nothing to shared tables. */
  async condemn(tenantId: string, placement: Placement, manager?: EntityManager): Promise<void> {
    const place = await this.find(tenantId, placement);
    if (!place || place.state === 'used') return;
    await this.places.condemn(place, manager);
    await (manager ?? this.platform).query(`SELECT pg_notify($1, '')`, [PLACES_CHANNEL]);
  }

  /** Takes from the tenant's role what lets it in. */
  async hide(placement: Placement): Promise<void> {
    const { roles, keys } = this.database;
    const address = await this.servers.addressOf(serverOf(placement));
    const server = { address, roles, keys };
    if (placement.kind === 'schema') {
      await hideSchema(server, placement.schema, placement.login ?? roles.name('tenant'));
    } else if (placement.kind === 'database') {
      await hideDatabase(server, placement.database, placement.login);
    }
  }

  /** What a restore leaves as it is, or ends, is no part of what can be brought back. */
  private historyOf(tenantId: string, placement: Placement): Capture {
    const except = [...this.rules.all().keys()].filter((table) => !this.rules.isRewound(table));
    return { schema: schemaOf(placement), tenantId, purpose: 'history', except };
  }

  private async find(tenantId: string, placement: Placement): Promise<Place | undefined> {
    const places = await this.places.ofTenant(tenantId);
    return places.find(({ server, name }) => server === serverOf(placement) && name === nameOf(placement));
  }

  private async url(placement: Placement): Promise<string> {
    const address = await this.servers.addressOf(serverOf(placement));
    return address.url('maintenance', true, placement.kind === 'database' ? placement.database : undefined);
  }

  private async migrateShared(server: string): Promise<void> {
    const url = (await this.servers.addressOf(server)).url('migrator', true);
    const migrator = await PlaceMigrator.connect(url, this.database.migrations);
    await migrator.toHead({ schema: 'shared' }).finally(() => migrator.close());
  }

  /** @param work gets a connection of the role that owns the tables */
  async asMigrator(placement: Placement, work: (client: pg.Client, schema: string) => Promise<unknown>): Promise<void> {
    const address = await this.servers.addressOf(serverOf(placement));
    const database = placement.kind === 'database' ? placement.database : undefined;
    const client = await connect(address.url('migrator', true, database));
    try {
      await work(client, schemaOf(placement));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function nameOf(placement: Placement): string | undefined {
  if (placement.kind === 'shared') return undefined;
  return placement.kind === 'schema' ? placement.schema : placement.database;
}
