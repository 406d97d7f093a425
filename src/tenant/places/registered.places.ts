import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { type PlaceDatabase, PlaceDirectory, type PlaceTables } from '../../database/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource, placeOf } from '../../tenancy/index.js';
import { type Place, placementOf, schemaOf } from './place.js';
import { Servers } from './servers.js';

/** Databases read at once. */
const PAGE = 500;
const SERVERS = `SELECT name FROM servers ORDER BY name <> '${DEFAULT_SERVER}', name`;
const COLUMNS = 'server, name, kind, login';
const SCHEMAS = `SELECT ${COLUMNS} FROM places WHERE server = $1 AND kind = 'schema' AND state = 'used' ORDER BY name`;
const DATABASES = `SELECT ${COLUMNS} FROM places
  WHERE server = $1 AND kind = 'database' AND state = 'used' AND name > $2 ORDER BY name LIMIT ${PAGE}`;

type Row = Pick<Place, 'server' | 'name' | 'kind' | 'login'>;

/** The places that the registry knows of. Of a server: its shared tables with the schemas beside them, then databases. */
@Injectable()
export class RegisteredPlaces extends PlaceDirectory {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly servers: Servers,
  ) {
    super();
  }

  async *databases(): AsyncIterable<PlaceDatabase> {
    for (const { name: server } of await this.platform.query<{ name: string }[]>(SERVERS)) {
      const schemas = await this.platform.query<Row[]>(SCHEMAS, [server]);
      yield this.database(server, undefined, [sharedTablesOf(server), ...schemas.map(tablesOf)]);
      for (let after: string | undefined = ''; after !== undefined;) {
        const rows: Row[] = await this.platform.query<Row[]>(DATABASES, [server, after]);
        for (const row of rows) yield this.database(server, row.name, [tablesOf(row)]);
        after = rows.length < PAGE ? undefined : rows.at(-1)?.name;
      }
    }
  }

  private database(server: string, name: string | undefined, tables: PlaceTables[]): PlaceDatabase {
    return {
      home: server === DEFAULT_SERVER && name === undefined,
      tables,
      url: async (kind, direct) => (await this.servers.addressOf(server)).url(kind, direct, name),
    };
  }
}

function sharedTablesOf(server: string): PlaceTables {
  return { place: placeOf({ kind: 'shared', server }), schema: 'shared', optional: server !== DEFAULT_SERVER };
}

function tablesOf(row: Row): PlaceTables {
  return { place: placeOf(placementOf(row)), schema: schemaOf(row) };
}
