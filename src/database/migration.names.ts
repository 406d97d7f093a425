import type { MigrationInterface } from 'typeorm';

/** What a tenant migration may say beyond what it does. */
export interface TenantMigration extends MigrationInterface {
  /**
   * The newest tenant migration that an application must know of to work once this one has run; told where it takes away
   * what older ones use.
   */
  oldestApplication?: string;
}

/** A migration of TypeORM; its name ends with its time. */
export type MigrationClass = new () => TenantMigration;

export function nameOf(migration: MigrationInterface | MigrationClass): string {
  return migration.name ?? migration.constructor.name;
}

/** A migration's name ends with its time, as TypeORM asks. */
export function timeOf(name: string): string {
  return /\d{13}$/.exec(name)?.[0] ?? '0';
}

/** Whether a place at `version` lacks something that one at `other` has. */
export function isOlder(version: string | null | undefined, other: string): boolean {
  return Number(timeOf(version ?? '')) < Number(timeOf(other));
}
