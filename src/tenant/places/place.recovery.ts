import type { DataSource } from 'typeorm';
import {
  makeDatabase,
  makeLogin,
  type PlaceServer,
  type PreparedDatabase,
  withConnection,
} from '../../database/index.js';
import { DEFAULT_SERVER } from '../../tenancy/index.js';
import { type Place, schemaOf } from './place.js';
import { PlaceStore } from './place.store.js';
import { Servers } from './servers.js';

const TABLES = `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = 'users') AS there`;
const SERVERS = 'SELECT name FROM servers ORDER BY name <> $1, name';
/** What is called like a place of this installation. */
const NAMED = `SELECT datname AS name FROM pg_database WHERE left(datname, length($1)) = $1
  UNION SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{16}$' ORDER BY 1`;
const SERVED: readonly Place['state'][] = ['used', 'kept', 'filling'];

export interface FoundPlace {
  server: string;
  name: string;
  kind: Place['kind'] | null;
  tenant_id: string | null;
  /**
   * `there`; `empty`, to be restored from a dump of its own; `unused`, which the workers finish, drop or make anew;
   * `unknown` to the registry, as of a tenant that was made after the dump; `unreachable`, as its server is.
   */
  state: 'there' | 'empty' | 'unused' | 'unknown' | 'unreachable';
}

/** Puts in order what belongs to servers and not to databases, after the control plane was restored from a dump. */
export class PlaceRecovery {
  private readonly servers: Servers;
  private readonly places: PlaceStore;

  constructor(
    private readonly platform: DataSource,
    private readonly database: PreparedDatabase,
  ) {
    this.servers = new Servers(platform, database);
    this.places = new PlaceStore(platform, database);
  }

  /** Makes roles, grants and databases that are missing, and says of each place what there is. Nothing is dropped. */
  async run(): Promise<FoundPlace[]> {
    const rows = await this.platform.query<{ name: string }[]>(SERVERS, [DEFAULT_SERVER]);
    const all = await this.places.list();
    const found: FoundPlace[] = [];
    for (const { name } of rows) {
      const here = all.filter(({ server }) => server === name);
      try {
        found.push(...(await this.onServer(name, here)));
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        found.push(...here.map((place) => of(place, 'unreachable')));
        if (here.length === 0) {
          found.push({ server: name, name: error.message, kind: null, tenant_id: null, state: 'unreachable' });
        }
      }
    }
    return found;
  }

  private async onServer(name: string, places: Place[]): Promise<FoundPlace[]> {
    const { roles, keys } = this.database;
    const address = await this.servers.addressOf(name);
    const server = { address, roles, keys };
    const found: FoundPlace[] = [];
    for (const place of places) found.push(await this.one(server, place));
    const named = await withConnection(address.url('maintenance', true), async (client) => {
      return (await client.query<{ name: string }>(NAMED, [`${roles.installation}_t_`])).rows;
    });
    const known = new Set(places.map((place) => place.name));
    const strays = named.filter((one) => !known.has(one.name));
    const unknown = { server: name, kind: null, tenant_id: null, state: 'unknown' } as const;
    return [...found, ...strays.map((stray) => ({ ...unknown, name: stray.name }))];
  }

  private async one(server: PlaceServer, place: Place): Promise<FoundPlace> {
    const { kind, name, login, state } = place;
    if (!SERVED.includes(state)) {
      // A spare one that is gone must not be given to anybody.
      const gone = state === 'spare' && !(await this.hasTables(server, place).catch(() => false));
      if (gone) await this.places.condemn(place);
      return of(place, 'unused');
    }
    if (login !== null) await makeLogin(server, login, schemaOf(place), kind === 'schema');
    if (kind === 'database') await makeDatabase(server, name, login!);
    return of(place, (await this.hasTables(server, place)) ? 'there' : 'empty');
  }

  private hasTables({ address }: PlaceServer, place: Place): Promise<boolean> {
    const url = address.url('migrator', true, place.kind === 'database' ? place.name : undefined);
    return withConnection(url, async (client) => {
      const { rows } = await client.query<{ there: boolean }>(TABLES, [schemaOf(place)]);
      return rows[0]?.there ?? false;
    });
  }
}

function of({ server, name, kind, tenantId }: Place, state: FoundPlace['state']): FoundPlace {
  return { server, name, kind, tenant_id: tenantId, state };
}
