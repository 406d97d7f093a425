import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { IS_FREE } from './place.hold.js';
import { type Place, PLACE_COLUMNS, type PlaceKind } from './place.js';

/** How many spare places are kept on each server that takes new tenants. */
export type WantedSpares = Record<PlaceKind, number>;

const IS_DUE = '(p.retry_at IS NULL OR p.retry_at <= now())';
const OF_NOBODY = `p.tenant_id IS NULL AND p.state IN ('making', 'spare')`;
const WANTED = `(VALUES ('schema', $1::int), ('database', $2::int)) AS k (kind, wanted)`;
const DROPPING = `SELECT ${PLACE_COLUMNS} FROM places p WHERE state = 'dropping' AND ${IS_DUE} AND ${IS_FREE}
  ORDER BY p.updated_at LIMIT 1`;
const UNFINISHED = `SELECT ${PLACE_COLUMNS} FROM places p WHERE state = 'making' AND tenant_id IS NULL AND ${IS_DUE}
  ORDER BY p.created_at LIMIT 1`;
const MISSING = `SELECT s.name AS server, k.kind FROM servers s CROSS JOIN ${WANTED}
  WHERE s.weight > 0
    AND (SELECT count(*) FROM places p WHERE p.server = s.name AND p.kind = k.kind AND ${OF_NOBODY}) < k.wanted
  ORDER BY s.name, k.kind DESC LIMIT 1`;
const EXCESS = `SELECT ${PLACE_COLUMNS} FROM (
    SELECT p.*, row_number() OVER (PARTITION BY p.server, p.kind ORDER BY p.state = 'making', p.created_at, p.name) AS rank,
           CASE WHEN s.weight > 0 THEN k.wanted ELSE 0 END AS wanted
      FROM places p JOIN servers s ON s.name = p.server JOIN ${WANTED} ON k.kind = p.kind
     WHERE ${OF_NOBODY} AND ${IS_FREE}) p
  WHERE rank > wanted LIMIT 1`;
const CONDEMN = `UPDATE places p SET state = 'dropping', retry_at = NULL, failures = 0, updated_at = now()
  WHERE server = $1 AND name = $2 AND ${OF_NOBODY}`;
const FAILED = `UPDATE places SET error = $3, failures = failures + 1, held_by = NULL, updated_at = now(),
    retry_at = now() + least(10 * 2 ^ least(failures, 10), 3600) * interval '1 second'
  WHERE server = $1 AND name = $2 RETURNING failures`;

/** What there is to do about places that no tenant has. */
@Injectable()
export class SpareStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  nextDropping(): Promise<Place | undefined> {
    return this.first<Place>(DROPPING);
  }

  /** One that was begun for no tenant: whoever made it has died, or failed. */
  nextUnfinished(): Promise<Place | undefined> {
    return this.first<Place>(UNFINISHED);
  }

  nextMissing(wanted: WantedSpares): Promise<{ server: string; kind: PlaceKind } | undefined> {
    return this.first(MISSING, [wanted.schema, wanted.database]);
  }

  nextExcess(wanted: WantedSpares): Promise<Place | undefined> {
    return this.first<Place>(EXCESS, [wanted.schema, wanted.database]);
  }

  /** To be dropped, unless a tenant has taken it meanwhile. */
  async condemn({ server, name }: Place): Promise<void> {
    await this.platform.query(CONDEMN, [server, name]);
  }

  /** @returns failures in a row */
  async failed({ server, name }: Place, reason: string): Promise<number> {
    const [rows] = await this.platform.query<[{ failures: number }[], number]>(FAILED, [server, name, reason]);
    return rows[0]?.failures ?? 0;
  }

  private async first<T>(sql: string, values: unknown[] = []): Promise<T | undefined> {
    return (await this.platform.query<T[]>(sql, values))[0];
  }
}
