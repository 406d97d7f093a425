import type { DynamicModule, Type } from '@nestjs/common';
import { MIGRATIONS } from '../migrations/index.js';
import { isOlder, type MigrationClass, type MigrationSet, nameOf } from './database/index.js';
import type { TenantOwned } from './tenancy/index.js';

/** What is built on Tenantry: modules of its own, and what the kernel has to know of them. */
export interface Product {
  /** Run in the service and in commands alike, so that a tenant that a command makes or erases is like any other. */
  modules?: (DynamicModule | Type)[];
  /** Every tenant-owned entity of these modules. */
  entities?: (new () => TenantOwned)[];
  /** Of their tables, oldest first, each newer than the newest of Tenantry's own: `CreatePets1796083200000`. */
  migrations?: MigrationClass[];
  /** Name of the oldest of these migrations at which the product works; the newest when left out. */
  oldestSupported?: string;
  /** What the OpenAPI document says of tags that these modules use. */
  tags?: [name: string, description: string][];
}

/**
 * Every migration of a product, Tenantry's own among them, oldest first. Versions of places are told apart by the time in a
 * migration's name.
 *
 * @throws Error when a name has no time, or the times do not go on from Tenantry's own
 */
export function migrationsOf({ migrations = [], oldestSupported }: Product): MigrationSet[] {
  if (migrations.length === 0) return MIGRATIONS;
  return MIGRATIONS.map((set) => {
    if (set.schema !== 'shared') return set;
    let before = nameOf(set.migrations.at(-1)!);
    for (const name of migrations.map(nameOf)) {
      if (!/\d{13}$/.test(name)) throw new Error(`Migration ${name}: its name ends with its time in ms, 13 digits.`);
      if (!isOlder(before, name))
        throw new Error(`Migration ${name} is to be newer than ${before}, which it comes after.`);
      before = name;
    }
    if (oldestSupported !== undefined && !migrations.some((one) => nameOf(one) === oldestSupported)) {
      throw new Error(`oldestSupported names ${oldestSupported}, which is not among the migrations.`);
    }
    return { ...set, migrations: [...set.migrations, ...migrations], oldestSupported: oldestSupported ?? before };
  });
}
