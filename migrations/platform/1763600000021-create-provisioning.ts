import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** What is being made: one row for each tenant whose provisioning is known, and one for each of its steps. */
export class CreateProvisioning1763600000021 implements MigrationInterface {
  name = 'CreateProvisioning1763600000021';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE provisionings (
      tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
      state text NOT NULL DEFAULT 'running' CONSTRAINT provisionings_state_known
        CHECK (state IN ('running', 'done', 'failed', 'undoing')),
      request bytea,
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      error text,
      created_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz
    )`);
    await runner.query(
      `CREATE INDEX provisionings_due ON provisionings (next_attempt_at) WHERE state IN ('running', 'undoing')`,
    );
    await runner.query(`CREATE TABLE provisioning_steps (
      tenant_id uuid NOT NULL REFERENCES provisionings (tenant_id) ON DELETE CASCADE,
      position integer NOT NULL,
      name text NOT NULL,
      state text NOT NULL DEFAULT 'pending' CONSTRAINT provisioning_steps_state_known
        CHECK (state IN ('pending', 'running', 'done', 'failed')),
      attempts integer NOT NULL DEFAULT 0,
      started_at timestamptz,
      finished_at timestamptz,
      error text,
      PRIMARY KEY (tenant_id, position)
    )`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON provisionings, provisioning_steps TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE provisioning_steps, provisionings');
  }
}
