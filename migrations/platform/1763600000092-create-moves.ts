import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Moves of tenants from one place to another, and places that are being filled or kept by one. */
export class CreateMoves1763600000092 implements MigrationInterface {
  name = 'CreateMoves1763600000092';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE moves (
      id uuid PRIMARY KEY,
      tenant_id uuid NOT NULL,
      state text NOT NULL DEFAULT 'running'
        CONSTRAINT moves_state_known CHECK (state IN ('running', 'undoing', 'done', 'failed', 'aborted')),
      step text NOT NULL,
      source jsonb NOT NULL,
      target jsonb NOT NULL,
      table_name text,
      last_key uuid,
      rows_total bigint NOT NULL DEFAULT 0,
      rows_copied bigint NOT NULL DEFAULT 0,
      changes_applied bigint NOT NULL DEFAULT 0,
      copies integer NOT NULL DEFAULT 0,
      pauses integer NOT NULL DEFAULT 0,
      pause_ms integer,
      error text,
      failures integer NOT NULL DEFAULT 0,
      abort_requested_at timestamptz,
      held_by bigint,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      switched_at timestamptz,
      finished_at timestamptz,
      keep_until timestamptz,
      source_hidden_at timestamptz,
      source_gone_at timestamptz
    )`);
    await runner.query(
      `CREATE UNIQUE INDEX moves_one_at_a_time ON moves (tenant_id) WHERE state IN ('running', 'undoing')`,
    );
    await runner.query('CREATE INDEX moves_of_tenant ON moves (tenant_id, id)');
    await runner.query(
      `CREATE INDEX moves_with_kept_source ON moves (keep_until) WHERE state = 'done' AND source_gone_at IS NULL`,
    );
    await runner.query(`CREATE TABLE move_steps (
      move_id uuid NOT NULL REFERENCES moves (id) ON DELETE CASCADE,
      position integer NOT NULL,
      name text NOT NULL,
      started_at timestamptz,
      finished_at timestamptz,
      PRIMARY KEY (move_id, name)
    )`);
    await runner.query(`ALTER TABLE places DROP CONSTRAINT places_state_known, ADD CONSTRAINT places_state_known
      CHECK (state IN ('making', 'spare', 'used', 'dropping', 'filling', 'kept'))`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON moves, move_steps TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`UPDATE places SET state = 'dropping' WHERE state IN ('filling', 'kept')`);
    await runner.query(`ALTER TABLE places DROP CONSTRAINT places_state_known, ADD CONSTRAINT places_state_known
      CHECK (state IN ('making', 'spare', 'used', 'dropping'))`);
    await runner.query('DROP TABLE move_steps');
    await runner.query('DROP TABLE moves');
  }
}
