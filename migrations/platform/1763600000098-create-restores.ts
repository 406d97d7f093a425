import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Restores of tenants from their backups: into a place beside the present one first, which then takes its place. */
export class CreateRestores1763600000098 implements MigrationInterface {
  name = 'CreateRestores1763600000098';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE restores (
      id uuid PRIMARY KEY,
      tenant_id uuid NOT NULL,
      backup_id uuid NOT NULL,
      -- Up to when what was captured is brought on top of the backup.
      until timestamptz,
      state text NOT NULL DEFAULT 'running' CONSTRAINT restores_state_known
        CHECK (state IN ('running', 'ready', 'swapping', 'undoing', 'done', 'failed', 'discarded')),
      step text NOT NULL,
      source jsonb NOT NULL,
      target jsonb NOT NULL,
      tenant_rows bigint,
      difference jsonb,
      compared_at timestamptz,
      undo_backup_id uuid,
      move_id uuid,
      moves_back_at timestamptz,
      pause_ms integer,
      error text,
      failures integer NOT NULL DEFAULT 0,
      held_by bigint,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      discard_at timestamptz,
      swap_requested_at timestamptz,
      swapped_at timestamptz,
      finished_at timestamptz
    )`);
    await runner.query(`CREATE UNIQUE INDEX restores_one_at_a_time ON restores (tenant_id)
      WHERE state IN ('running', 'ready', 'swapping', 'undoing')`);
    await runner.query('CREATE INDEX restores_of_tenant ON restores (tenant_id, id)');
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON restores TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE restores');
  }
}
