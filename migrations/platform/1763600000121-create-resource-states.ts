import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** How things of tenants did when they were last used, in whichever process. */
export class CreateResourceStates1763600000121 implements MigrationInterface {
  name = 'CreateResourceStates1763600000121';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE resource_states (
      tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
      resource text NOT NULL,
      -- Of the settings that it was made of: what is known of others is not told.
      fingerprint text NOT NULL,
      ok_at timestamptz,
      failed_at timestamptz,
      -- Null where the last use went well.
      failing_since timestamptz,
      last_error text,
      seen_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, resource),
      CONSTRAINT resource_states_fail_with_error CHECK ((failing_since IS NULL) = (last_error IS NULL))
    )`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON resource_states TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE resource_states');
  }
}
