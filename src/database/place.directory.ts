import type { RoleKind } from './roles.js';

/** The tables of one place that tenants live in. */
export interface PlaceTables {
  /** Names the place among all of all servers. */
  place: string;
  schema: string;
  /** Whether they may not be there, as on a server whose tenants all have places of their own. */
  optional?: boolean;
}

/** A database that rows of tenants are in. */
export interface PlaceDatabase {
  /** Whether it is the control plane's, too. */
  home: boolean;
  tables: PlaceTables[];
  /** @throws when its server cannot be told */
  url(kind: RoleKind, direct?: boolean): Promise<string>;
}

/** Port: every place that rows of tenants are in, by database. The tenant slice implements it. */
export abstract class PlaceDirectory {
  abstract databases(): AsyncIterable<PlaceDatabase>;
}
