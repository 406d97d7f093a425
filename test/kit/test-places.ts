import { DataSource } from 'typeorm';
import { newId } from '../../src/common/index.js';
import type { PreparedDatabase } from '../../src/database/index.js';
import { DEFAULT_SERVER } from '../../src/tenancy/index.js';
import { PlaceBuilder, type PlaceKind, PlaceStore, Servers } from '../../src/tenant/index.js';
import { INSTALL, joinDatabase, joinSchema } from './everywhere.js';
import { runSql } from './scratch-server.js';

/** Tenants beyond these share tables: a spec that imports thousands is about their number. */
const MOST = 10;

/** Makes a database one whose tenants move into spare places of their own as they are imported. */
export async function welcomePlaces(adminUrl: string): Promise<void> {
  await runSql(adminUrl, INSTALL);
}

/** Makes places the way the product does until there are that many that no tenant has. */
export async function keepSpares(
  prepared: PreparedDatabase,
  adminUrl: string,
  kind: PlaceKind,
  wanted: number,
): Promise<void> {
  const platform = new DataSource({ type: 'postgres', url: prepared.url('platform', true), schema: 'platform' });
  await platform.initialize();
  try {
    const store = new PlaceStore(platform, prepared);
    const builder = new PlaceBuilder(prepared, new Servers(platform, prepared), store);
    const spares = await runSql(adminUrl, 'SELECT 1 FROM everywhere.spares');
    for (let count = spares.length; count < Math.min(wanted, MOST); count += 1) {
      const place = await store.plan({ kind, server: DEFAULT_SERVER, tenantId: newId() });
      await builder.build(place);
      await runSql(adminUrl, kind === 'schema' ? joinSchema(place.name) : joinDatabase(place.name, adminUrl));
    }
  } finally {
    await platform.destroy();
  }
}

/** Databases and login roles of tenants belong to the server, and would stay. */
export async function dropPlaces(serverUrl: string, adminUrl: string): Promise<void> {
  const places = (await runSql(adminUrl, 'SELECT name, kind, login FROM platform.places')) as {
    name: string;
    kind: string;
    login: string | null;
  }[];
  for (const { name, kind } of places) {
    if (kind === 'database') await runSql(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
  for (const { login } of places) {
    if (login === null) continue;
    const there = await runSql(adminUrl, 'SELECT 1 FROM pg_roles WHERE rolname = $1', [login]);
    if (there.length > 0) await runSql(adminUrl, `DROP OWNED BY ${login}; DROP ROLE ${login}`);
  }
}
