import { randomBytes } from 'node:crypto';
import type { Isolation, Placement } from '../../tenancy/index.js';

export type PlaceKind = Exclude<Isolation, 'shared'>;

/** A schema or database made for one tenant, or kept ready for the next. */
export interface Place {
  server: string;
  /** Of the schema, or the database. */
  name: string;
  kind: PlaceKind;
  /** The tenant's own login role. */
  login: string | null;
  tenantId: string | null;
  /** `filling` and `kept` by a move: the tenant is on its way there, or has left. */
  state: 'making' | 'spare' | 'used' | 'dropping' | 'filling' | 'kept';
  /** The newest migration that it has. */
  version: string | null;
  /** Attempts in a row that failed. */
  failures: number;
}

/** Of the table `places` as `p`. */
export const PLACE_COLUMNS =
  'p.server, p.name, p.kind, p.login, p.tenant_id AS "tenantId", p.state, p.version, p.failures';

/** Names are drawn, not derived: a place exists before its tenant does, and goes from one to the next in a move. */
export function newPlaceName(kind: PlaceKind, installation: string): string {
  const drawn = randomBytes(8).toString('hex');
  // Databases and roles belong to the whole server, schemas to the installation's database.
  return kind === 'schema' ? `t_${drawn}` : `${installation}_t_${drawn}`;
}

export function loginOf(place: Pick<Place, 'kind' | 'name'>, installation: string): string {
  return place.kind === 'database' ? place.name : `${installation}_${place.name}`;
}

export function placementOf({
  server,
  kind,
  name,
  login,
}: Pick<Place, 'server' | 'kind' | 'name' | 'login'>): Placement {
  return kind === 'database'
    ? { kind, server, database: name, login: login! }
    : { kind, server, schema: name, ...(login !== null && { login }) };
}

/** The schema of its tables. */
export function schemaOf({ kind, name }: Pick<Place, 'kind' | 'name'>): string {
  return kind === 'schema' ? name : 'shared';
}
