import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { TenantCache } from '../../cache/index.js';
import { JobErasure } from '../../jobs/index.js';
import { WrittenMails } from '../../mail/index.js';
import { ResourceStates } from '../../resources/index.js';
import { TenantKeys } from '../../secrets/index.js';
import {
  DATABASE,
  type PreparedDatabase,
  TABLES_OF_MOVES,
  tablesOfTenants,
  withConnection,
} from '../../database/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource } from '../../tenancy/index.js';
import { schemaOf } from '../places/place.js';
import { PlaceStore } from '../places/place.store.js';
import { Servers } from '../places/servers.js';

/** Rows that one statement deletes at most, so that no lock is held for long. */
const BATCH = 5000;
/** How long transactions of the tenant that are under way are waited for, in ms. */
const UNDER_WAY_MS = 20_000;
const CLOSE = 'INSERT INTO shared.closures (tenant_id, place) VALUES ($1, $2) ON CONFLICT DO NOTHING';

/** Servers, besides the control plane's, that the tenant is, was or was to be on; one that was removed took its rows along. */
const SERVERS = `SELECT s.name FROM servers s WHERE s.name <> $2 AND s.name IN (
    SELECT placement->>'server' FROM tenants WHERE id = $1
    UNION SELECT source->>'server' FROM moves WHERE tenant_id = $1
    UNION SELECT target->>'server' FROM moves WHERE tenant_id = $1)`;

/** Says how much there was, where that may grow again: what is under way writes after it. */
type PlatformEraser = (manager: EntityManager, tenantId: string) => Promise<number | void>;

/** What a slice keeps of tenants outside of every database. */
export interface TenantStash {
  /** What the proof of an erasure calls it. */
  name: string;
  /** How much there is of a tenant, also of what is being written. */
  countOf(tenantId: string): Promise<number>;
  removeAll(tenantId: string): Promise<void>;
}

/** Erases everything that is held of a tenant but its place in the registry and in the platform's audit log. */
@Injectable()
export class TenantErasure {
  private readonly erasers: PlatformEraser[] = [];
  /** Told to the proof as well. */
  readonly stashes: TenantStash[] = [];

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
    jobs: JobErasure,
    keys: TenantKeys,
    resources: ResourceStates,
    private readonly mails: WrittenMails,
    private readonly cache: TenantCache,
  ) {
    this.register((manager, tenantId) => jobs.erase(manager, tenantId));
    this.register((manager, tenantId) => keys.destroy(tenantId, manager));
    this.register((manager, tenantId) => resources.erase(manager, tenantId));
  }

  /** For slices that keep something of a tenant in the control plane. */
  register(eraser: PlatformEraser): void {
    this.erasers.push(eraser);
  }

  registerStash(stash: TenantStash): void {
    this.stashes.push(stash);
  }

  /**
   * May be repeated; what an attempt left half done, the next one finishes.
   *
   * @param stays whether the tenant itself stays, and with it what says where it is served from
   * @param forGood its places are closed first: what is under way is waited for, and whatever comes later is turned away,
   *   by a handler that does not hear that it is to end as by a process that has not heard of the end
   * @returns how many rows of the tenant went, or are still to go
   */
  async erase(tenantId: string, { stays = false, forGood = false } = {}): Promise<number> {
    let erased = 0;
    for (const { url, schema } of await this.whereabouts(tenantId)) {
      erased += await withConnection(url, async (client) => {
        if (forGood) await close(client, schema, tenantId);
        return eraseAt(client, schema, tenantId, stays);
      });
    }
    await this.platform.transaction(async (manager) => {
      for (const eraser of this.erasers) erased += (await eraser(manager, tenantId)) ?? 0;
    });
    // After the rows: what is being written finds that it belongs to nothing, and goes.
    for (const stash of this.stashes) {
      const count = await stash.countOf(tenantId);
      if (count > 0) await stash.removeAll(tenantId);
      erased += count;
    }
    const mails = await this.mails.erase(tenantId);
    await this.cache.forget(tenantId);
    return erased + mails;
  }

  /** Everywhere that rows of the tenant can be: where it lives, where it lived, where it was to move, and the shared tables. */
  private async whereabouts(tenantId: string): Promise<{ url: string; schema: string }[]> {
    const found = [{ url: this.database.url('maintenance'), schema: 'shared' }];
    const servers = await this.platform.query<{ name: string }[]>(SERVERS, [tenantId, DEFAULT_SERVER]);
    for (const { name } of servers) {
      found.push({ url: (await this.servers.addressOf(name)).url('maintenance'), schema: 'shared' });
    }
    for (const place of await this.places.ofTenant(tenantId)) {
      // One that is being made holds nothing yet, and one that is being dropped nothing that stays.
      if (place.state === 'making' || place.state === 'dropping') continue;
      const address = await this.servers.addressOf(place.server);
      const url = address.url('maintenance', false, place.kind === 'database' ? place.name : undefined);
      found.push({ url, schema: schemaOf(place) });
    }
    return found;
  }
}

/**
 * Turns every later transaction of the tenant away, and returns when none is under way any more. What is closed stays so:
 * that is all a place keeps of a tenant that is gone.
 */
async function close(client: pg.Client, schema: string, tenantId: string): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
  try {
    await client.query(`SELECT set_config('lock_timeout', $1, true)`, [`${UNDER_WAY_MS}ms`]);
    await client.query('SELECT pg_advisory_xact_lock(shared.fence_key($1))', [tenantId]);
    await client.query(CLOSE, [tenantId, schema]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function eraseAt(client: pg.Client, schema: string, tenantId: string, stays: boolean): Promise<number> {
  let erased = 0;
  for (const table of await tablesOfTenants(client, schema)) {
    if (table === 'closures' || (stays && TABLES_OF_MOVES.includes(table))) continue;
    const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
    const sql = `DELETE FROM ${name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${name} WHERE tenant_id = $1 LIMIT ${BATCH}))`;
    for (let batch = BATCH; batch === BATCH; erased += batch) {
      batch = (await client.query(sql, [tenantId])).rowCount ?? 0;
    }
  }
  return erased;
}
