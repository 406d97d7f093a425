import { Inject, Injectable } from '@nestjs/common';
import {
  DATABASE,
  dropDatabase,
  dropLogin,
  dropSchema,
  headOf,
  makeDatabase,
  makeLogin,
  PlaceMigrator,
  type PlaceServer,
  type PreparedDatabase,
} from '../../database/index.js';
import { type Place, schemaOf } from './place.js';
import { PlaceStore } from './place.store.js';
import { Servers } from './servers.js';

/**
 * Makes, migrates and drops schemas and databases of tenants. Every step may run again after a crash. Roles and databases
 * are made as the provisioner, tables as the migrator, who owns them.
 */
@Injectable()
export class PlaceBuilder {
  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
  ) {}

  /** The newest migration of tenant-owned tables. */
  get head(): string {
    return headOf(this.database.migrations);
  }

  /** Makes what is missing of the place, and brings it to head. */
  async build(place: Place): Promise<void> {
    const { kind, name, login } = place;
    const server = await this.serverOf(place);
    if (login !== null) await makeLogin(server, login, schemaOf(place), kind === 'schema');
    if (kind === 'database') await makeDatabase(server, name, login!);
    await this.migrate(place);
  }

  /** @returns names of the migrations that ran */
  async migrate(place: Place): Promise<string[]> {
    const started = performance.now();
    const { address } = await this.serverOf(place);
    const url = address.url('migrator', true, place.kind === 'database' ? place.name : undefined);
    const migrator = await PlaceMigrator.connect(url, this.database.migrations);
    try {
      const ran = await migrator.toHead({ schema: schemaOf(place), login: place.login ?? undefined });
      await this.places.made(place, this.head, performance.now() - started);
      return ran;
    } finally {
      await migrator.close();
    }
  }

  /** Drops what is there of the place, and its entry last. */
  async drop(place: Place): Promise<void> {
    const server = await this.serverOf(place);
    if (place.kind === 'database') await dropDatabase(server, place.name, place.login!);
    else await dropSchema(server, place.name, place.login);
    if (place.login !== null) await dropLogin(server, place.login);
    await this.places.forget(place);
  }

  private async serverOf(place: Place): Promise<PlaceServer> {
    const { roles, keys } = this.database;
    return { address: await this.servers.addressOf(place.server), roles, keys };
  }
}
