import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The ledger of migrations over all places, and which process has one in hand. */
export class KeepPlaceMigrations1763600000081 implements MigrationInterface {
  name = 'KeepPlaceMigrations1763600000081';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE places
      ADD COLUMN held_by bigint,
      ADD COLUMN migration_started_at timestamptz,
      ADD COLUMN migration_ended_at timestamptz,
      ADD COLUMN failures integer NOT NULL DEFAULT 0,
      ADD COLUMN retry_at timestamptz`);
    await runner.query(`ALTER TABLE servers
      ADD COLUMN shared_version text,
      ADD COLUMN shared_started_at timestamptz,
      ADD COLUMN shared_ended_at timestamptz,
      ADD COLUMN shared_ms integer,
      ADD COLUMN shared_error text,
      ADD COLUMN shared_failures integer NOT NULL DEFAULT 0,
      ADD COLUMN shared_retry_at timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE servers
      DROP COLUMN shared_version, DROP COLUMN shared_started_at, DROP COLUMN shared_ended_at, DROP COLUMN shared_ms,
      DROP COLUMN shared_error, DROP COLUMN shared_failures, DROP COLUMN shared_retry_at`);
    await runner.query(`ALTER TABLE places
      DROP COLUMN held_by, DROP COLUMN migration_started_at, DROP COLUMN migration_ended_at, DROP COLUMN failures,
      DROP COLUMN retry_at`);
  }
}
