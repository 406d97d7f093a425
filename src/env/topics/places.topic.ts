import type { EnvReader, Variable } from '../env.reader.js';

/** Schemas and databases of tenants' own. */
export interface PlacesEnv {
  /** Kept ready on each server that takes new tenants. */
  warmSchemas: number;
  warmDatabases: number;
  /** Whether workers bring places that are behind to head. */
  migratePlaces: boolean;
  /** How long what a tenant leaves behind when it moves is kept, in hours. */
  moveKeepHours: number;
}

export const PLACES_VARIABLES: readonly Variable[] = [
  {
    name: 'WARM_SCHEMAS',
    example: '2',
    allowed: 'an integer from 0 to 1000',
    about: 'schemas that workers keep ready for new tenants, on each server that takes some',
  },
  {
    name: 'WARM_DATABASES',
    example: '0',
    allowed: 'an integer from 0 to 100',
    about: 'databases that workers keep ready for new tenants, on each server that takes some',
  },
  {
    name: 'MIGRATE_PLACES',
    example: 'on',
    allowed: 'on or off',
    about:
      'workers bring schemas and databases of tenants to head in the background; off where "tenantry migrate" is part of ' +
      'every deployment',
  },
  {
    name: 'MOVE_KEEP_HOURS',
    example: '72',
    allowed: 'an integer from 0 to 8760',
    about: 'hours for which the rows that a tenant leaves behind when it moves are kept, out of its reach',
  },
];

export function readPlaces(from: EnvReader): PlacesEnv {
  return {
    warmSchemas: from.integer('WARM_SCHEMAS', 2, 0, 1000),
    warmDatabases: from.integer('WARM_DATABASES', 0, 0, 100),
    migratePlaces: from.onOrOff('MIGRATE_PLACES', true),
    moveKeepHours: from.integer('MOVE_KEEP_HOURS', 72, 0, 8760),
  };
}
