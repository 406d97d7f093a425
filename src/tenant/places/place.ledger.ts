import type { DataSource } from 'typeorm';
import { IS_FREE, type PlaceHold } from './place.hold.js';
import { type Place, PLACE_COLUMNS } from './place.js';

/** Which places a run of migrations is about. */
export interface PlaceSelection {
  /** Those of one tenant alone. */
  tenantId?: string | undefined;
  /** Not those that failed and are to be tried again only later. */
  due?: boolean | undefined;
  /** Spare places alone. */
  spare?: boolean | undefined;
}

/** A place that did not come to head. */
export interface FailedPlace extends Place {
  /** The tenant's slug. */
  tenant: string | null;
  error: string;
  startedAt: Date | null;
  endedAt: Date | null;
}

export interface VersionCount {
  server: string;
  kind: Place['kind'];
  version: string;
  places: number;
  spare: number;
  failed: number;
}

/** Names end with the migration's time. Places still being made, or going, are somebody else's. */
const IS_BEHIND = `p.state IN ('used', 'spare') AND right(p.version, 13) < right($1, 13)`;
const IS_SELECTED = `($2::uuid IS NULL OR p.tenant_id = $2) AND (NOT $3::boolean OR p.retry_at IS NULL OR p.retry_at <= now())
  AND (NOT $4::boolean OR p.state = 'spare')`;
/** What anybody tried since then is not tried again; what a dead process had begun is. */
const IS_UNTRIED =
  '(p.held_by IS NOT NULL OR p.migration_started_at IS NULL OR p.migration_started_at < $5::timestamptz)';

const COUNT = `SELECT count(*)::int AS n FROM places p WHERE ${IS_BEHIND} AND ${IS_SELECTED}`;
const IN_OTHER_HANDS = `${COUNT} AND ${IS_UNTRIED} AND NOT ${IS_FREE}`;
const CLAIM = `UPDATE places p SET held_by = $6, migration_started_at = clock_timestamp(), migration_ended_at = NULL
   FROM (SELECT p.server, p.name FROM places p WHERE ${IS_BEHIND} AND ${IS_SELECTED} AND ${IS_UNTRIED} AND ${IS_FREE}
          ORDER BY p.server, p.kind DESC, p.state = 'spare', p.name LIMIT $7 FOR UPDATE SKIP LOCKED) claimed
  WHERE p.server = claimed.server AND p.name = claimed.name RETURNING ${PLACE_COLUMNS}`;
const DONE = `UPDATE places SET version = $3, migrated_at = now(), migrate_ms = $4, migration_ended_at = clock_timestamp(),
    error = NULL, failures = 0, retry_at = NULL, held_by = NULL, updated_at = now()
  WHERE server = $1 AND name = $2 AND held_by = $5`;
const FAILED = `UPDATE places SET version = coalesce($3, version), migrate_ms = $4, migration_ended_at = clock_timestamp(),
    error = $5, failures = failures + 1, retry_at = now() + least(10 * 2 ^ least(failures, 10), 3600) * interval '1 second',
    held_by = NULL, updated_at = now()
  WHERE server = $1 AND name = $2 AND held_by = $6`;
const FAILURES = `SELECT ${PLACE_COLUMNS}, t.slug AS tenant, p.error, p.migration_started_at AS "startedAt",
    p.migration_ended_at AS "endedAt"
  FROM places p LEFT JOIN tenants t ON t.id = p.tenant_id
 WHERE p.state IN ('used', 'spare') AND p.error IS NOT NULL AND right(p.version, 13) < right($1, 13)
   AND ($2::uuid IS NULL OR p.tenant_id = $2) ORDER BY p.server, p.kind DESC, p.name`;
const COUNTS = `SELECT server, kind, version, count(*)::int AS places, count(*) FILTER (WHERE state = 'spare')::int AS spare,
    count(error)::int AS failed
  FROM places WHERE state IN ('used', 'spare') GROUP BY server, kind, version ORDER BY server, kind DESC, version`;
const LIKENESSES = `SELECT DISTINCT ON (p.server, p.kind, p.version, p.login IS NULL) p.server, p.name, p.kind, p.login,
    p.tenant_id AS "tenantId", p.state, p.version,
    count(*) OVER (PARTITION BY p.server, p.kind, p.version, p.login IS NULL)::int AS places
  FROM places p WHERE ${IS_BEHIND} AND ($2::uuid IS NULL OR p.tenant_id = $2)
 ORDER BY p.server, p.kind, p.version, p.login IS NULL, p.name`;
const GIVE_BACK = `UPDATE places SET held_by = NULL, migration_started_at = NULL WHERE server = $1 AND name = $2 AND held_by = $3`;

/** What the control plane knows of the versions of places: enough to leave those at head alone. */
export class PlaceLedger {
  constructor(
    private readonly platform: DataSource,
    private readonly head: string,
  ) {}

  /** How many are behind head. */
  async countBehind(selection: PlaceSelection = {}): Promise<number> {
    const rows = await this.platform.query<{ n: number }[]>(COUNT, this.values(selection));
    return rows[0]!.n;
  }

  /** How many that are behind somebody else migrates right now. */
  async countInOtherHands(hold: PlaceHold, selection: PlaceSelection): Promise<number> {
    const rows = await this.platform.query<{ n: number }[]>(IN_OTHER_HANDS, [...this.values(selection), hold.since]);
    return rows[0]!.n;
  }

  /** Takes some that are behind in hand, those of one server and kind together. */
  async claim(hold: PlaceHold, selection: PlaceSelection, limit: number): Promise<Place[]> {
    const values = [...this.values(selection), hold.since, hold.id, limit];
    const [claimed] = await this.platform.query<[Place[], number]>(CLAIM, values);
    return claimed.sort((one, other) => orderOf(one).localeCompare(orderOf(other)));
  }

  async done(hold: PlaceHold, { server, name }: Place, ms: number): Promise<void> {
    await this.platform.query(DONE, [server, name, this.head, Math.round(ms), hold.id]);
  }

  /** @param reached the newest migration that it has, where that is known */
  async failed(hold: PlaceHold, { server, name }: Place, ms: number, error: string, reached?: string): Promise<void> {
    await this.platform.query(FAILED, [server, name, reached ?? null, Math.round(ms), error, hold.id]);
  }

  /** It was not begun. */
  async giveBack(hold: PlaceHold, { server, name }: Place): Promise<void> {
    await this.platform.query(GIVE_BACK, [server, name, hold.id]);
  }

  failures(tenantId?: string): Promise<FailedPlace[]> {
    return this.platform.query<FailedPlace[]>(FAILURES, [this.head, tenantId ?? null]);
  }

  /** Of the places that are behind, one of each server, kind and version, and how many are like it. */
  async likenesses(tenantId?: string): Promise<(Omit<Place, 'failures'> & { places: number })[]> {
    const [known] = await this.platform.query<{ there: boolean }[]>(
      `SELECT to_regclass('places') IS NOT NULL AS there`,
    );
    if (!known?.there) return [];
    return this.platform.query(LIKENESSES, [this.head, tenantId ?? null]);
  }

  versions(): Promise<VersionCount[]> {
    return this.platform.query<VersionCount[]>(COUNTS);
  }

  private values({ tenantId, due, spare }: PlaceSelection): unknown[] {
    return [this.head, tenantId ?? null, due ?? false, spare ?? false];
  }
}

const orderOf = ({ server, kind, name }: Place): string => `${server} ${kind === 'schema' ? 0 : 1} ${name}`;
