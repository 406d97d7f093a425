import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { JobErasure } from '../../jobs/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource, type Placement, serverOf } from '../../tenancy/index.js';
import { schemaOf } from '../places/place.js';
import { PlaceStore } from '../places/place.store.js';
import { Servers } from '../places/servers.js';

/** Rows that one statement deletes at most, so that no lock is held for long. */
const BATCH = 5000;

/** Says how much there was, where that may grow again: what is under way writes after it. */
type PlatformEraser = (manager: EntityManager, tenantId: string) => Promise<number | void>;

/** Erases everything that is held of a tenant but its place in the registry and in the platform's audit log. */
@Injectable()
export class TenantErasure {
  private readonly erasers: PlatformEraser[] = [];

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
    jobs: JobErasure,
  ) {
    this.register((manager, tenantId) => jobs.erase(manager, tenantId));
  }

  /** For slices that keep something of a tenant in the control plane. */
  register(eraser: PlatformEraser): void {
    this.erasers.push(eraser);
  }

  /**
   * May be repeated; what an attempt left half done, the next one finishes.
   *
   * @returns how many rows of the tenant went, or are still to go
   */
  async erase(tenantId: string): Promise<number> {
    let erased = 0;
    for (const { url, schema } of await this.whereabouts(tenantId)) erased += await eraseAt(url, schema, tenantId);
    await this.platform.transaction(async (manager) => {
      for (const eraser of this.erasers) erased += (await eraser(manager, tenantId)) ?? 0;
    });
    return erased;
  }

  /** Everywhere that rows of the tenant can be: where it lives, where it lived, and the shared tables. */
  private async whereabouts(tenantId: string): Promise<{ url: string; schema: string }[]> {
    const found = [{ url: this.database.url('maintenance'), schema: 'shared' }];
    const [tenant] = await this.platform.query<{ placement: Placement }[]>(
      'SELECT placement FROM tenants WHERE id = $1',
      [tenantId],
    );
    const server = tenant && serverOf(tenant.placement);
    if (server !== undefined && server !== DEFAULT_SERVER) {
      found.push({ url: (await this.servers.addressOf(server)).url('maintenance'), schema: 'shared' });
    }
    for (const place of await this.places.ofTenant(tenantId)) {
      // One that is being made holds nothing yet, and one that is being dropped nothing that stays.
      if (place.state !== 'used') continue;
      const address = await this.servers.addressOf(place.server);
      const url = address.url('maintenance', false, place.kind === 'database' ? place.name : undefined);
      found.push({ url, schema: schemaOf(place) });
    }
    return found;
  }
}

async function eraseAt(url: string, schema: string, tenantId: string): Promise<number> {
  let erased = 0;
  const client = new pg.Client({ connectionString: url });
  // Unheard, a connection that breaks would end the process; its statement fails all the same.
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (const table of await tablesOf(client, schema)) {
      const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
      const sql = `DELETE FROM ${name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${name} WHERE tenant_id = $1 LIMIT ${BATCH}))`;
      for (let batch = BATCH; batch === BATCH; erased += batch) {
        batch = (await client.query(sql, [tenantId])).rowCount ?? 0;
      }
    }
  } finally {
    await client.end().catch(() => undefined);
  }
  return erased;
}

/** Every table of tenants' rows, each before those it refers to. */
async function tablesOf(client: pg.Client, schema: string): Promise<string[]> {
  const { rows: tables } = await client.query<{ name: string; refers: string[] }>(
    `SELECT c.relname AS name,
            ARRAY(SELECT f.relname::text FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
                   WHERE k.conrelid = c.oid AND k.contype = 'f') AS refers
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relrowsecurity ORDER BY 1`,
    [schema],
  );
  const refersTo = new Map(tables.map(({ name, refers }) => [name, refers]));
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const [other, refers] of refersTo) if (other !== name && refers.includes(name)) visit(other);
    ordered.push(name);
  };
  for (const { name } of tables) visit(name);
  return ordered;
}
