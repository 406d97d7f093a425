import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Backups of tenants, and which process writes one. */
export class CreateBackups1763600000096 implements MigrationInterface {
  name = 'CreateBackups1763600000096';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query('CREATE SEQUENCE backup_leases');
    await runner.query(`CREATE TABLE backups (
      id uuid PRIMARY KEY,
      tenant_id uuid NOT NULL,
      state text NOT NULL DEFAULT 'waiting'
        CONSTRAINT backups_state_known CHECK (state IN ('waiting', 'running', 'done', 'failed')),
      scheduled boolean NOT NULL,
      migration text,
      tenant_rows bigint,
      bytes bigint,
      sha256 text,
      error text,
      lease bigint,
      held_until timestamptz,
      made_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz,
      CONSTRAINT backups_done_known CHECK (state <> 'done' OR (bytes IS NOT NULL AND sha256 IS NOT NULL))
    )`);
    await runner.query(
      `CREATE UNIQUE INDEX backups_one_at_a_time ON backups (tenant_id) WHERE state IN ('waiting', 'running')`,
    );
    await runner.query('CREATE INDEX backups_of_tenant ON backups (tenant_id, id)');
    await runner.query('CREATE INDEX backups_by_age ON backups (created_at)');
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON backups TO ${platform}`);
    await runner.query(`GRANT USAGE ON SEQUENCE backup_leases TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE backups');
    await runner.query('DROP SEQUENCE backup_leases');
  }
}
