import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { loginOf, newPlaceName, type Place, PLACE_COLUMNS, type PlaceKind } from './place.js';

type Queries = Pick<EntityManager, 'query'>;

/** Tells keepers that there is something to do about places. */
export const PLACES_CHANNEL = 'tenantry_places';

const TAKE_SPARE = `UPDATE places p SET state = 'used', tenant_id = $1, updated_at = now()
   FROM (SELECT server, name FROM places WHERE state = 'spare' AND kind = $2 AND server = $3 AND version = $4
            AND (login IS NOT NULL) = $5
          ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) spare
  WHERE p.server = spare.server AND p.name = spare.name RETURNING ${PLACE_COLUMNS}`;
const PLAN = `INSERT INTO places AS p (server, name, kind, login, tenant_id, state) VALUES ($1, $2, $3, $4, $5, 'making')
  RETURNING ${PLACE_COLUMNS}`;
const OF_TENANT = `SELECT ${PLACE_COLUMNS} FROM places p WHERE tenant_id = $1 ORDER BY state = 'dropping', created_at DESC`;
const LIST = `SELECT ${PLACE_COLUMNS} FROM places p WHERE $1::text[] IS NULL OR state = ANY ($1) ORDER BY server, kind, name`;

export interface PlannedPlace {
  kind: PlaceKind;
  server: string;
  tenantId?: string | null;
  /** Whether a role of its own enters it. */
  login?: boolean;
}

/** Keeps which schemas and databases there are, and whose. What is in them, only the servers know. */
@Injectable()
export class PlaceStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /**
   * Gives a tenant a spare place, if there is one at `version`, else one that is still to be made.
   *
   * @param login whether a role of its own enters it; of databases always
   */
  async allocate(
    manager: EntityManager,
    tenantId: string,
    { kind, server, version, login }: { kind: PlaceKind; server: string; version: string; login: boolean },
  ): Promise<Place> {
    const [taken] = await manager.query<[Place[], number]>(TAKE_SPARE, [tenantId, kind, server, version, login]);
    if (!taken[0]) return this.plan({ kind, server, tenantId, login }, manager);
    await manager.query(`SELECT pg_notify($1, '')`, [PLACES_CHANNEL]);
    return taken[0];
  }

  /** Writes down a place before it is made, so that whatever a crash leaves of it is known. */
  async plan(
    { kind, server, tenantId = null, login: own = kind === 'database' }: PlannedPlace,
    queries: Queries = this.platform,
  ): Promise<Place> {
    const { installation } = this.database.roles;
    const name = newPlaceName(kind, installation);
    const login = own ? loginOf({ kind, name }, installation) : null;
    const rows = await queries.query<Place[]>(PLAN, [server, name, kind, login, tenantId]);
    return rows[0]!;
  }

  /** The places of a tenant, its present one first. */
  ofTenant(tenantId: string): Promise<Place[]> {
    return this.platform.query<Place[]>(OF_TENANT, [tenantId]);
  }

  /** @param states all when left out */
  list(states?: Place['state'][]): Promise<Place[]> {
    return this.platform.query<Place[]>(LIST, [states ?? null]);
  }

  /** It is there and at `version`; from now on a tenant's or a spare one. */
  async made({ server, name }: Place, version: string, ms: number): Promise<void> {
    await this.platform.query(
      `UPDATE places SET state = CASE WHEN state <> 'making' THEN state WHEN tenant_id IS NULL THEN 'spare' ELSE 'used' END,
              version = $3, migrated_at = now(), migrate_ms = $4::int, error = NULL, failures = 0, retry_at = NULL,
              migration_started_at = now() - $4::int * interval '1 millisecond', migration_ended_at = now(), updated_at = now()
        WHERE server = $1 AND name = $2`,
      [server, name, version, Math.round(ms)],
    );
  }

  /** From now on it only waits to be dropped. */
  async condemn({ server, name }: Place, queries: Queries = this.platform): Promise<void> {
    await queries.query(
      `UPDATE places SET state = 'dropping', retry_at = NULL, failures = 0, updated_at = now() WHERE server = $1 AND name = $2`,
      [server, name],
    );
  }

  async forget({ server, name }: Place): Promise<void> {
    await this.platform.query('DELETE FROM places WHERE server = $1 AND name = $2', [server, name]);
  }
}
