import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Of which tenants the history is kept, and from when on it is whole. */
export class CreateHistories1763600000099 implements MigrationInterface {
  name = 'CreateHistories1763600000099';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE histories (
      tenant_id uuid PRIMARY KEY,
      days integer NOT NULL CONSTRAINT histories_days_positive CHECK (days > 0),
      state text NOT NULL DEFAULT 'starting'
        CONSTRAINT histories_state_known CHECK (state IN ('starting', 'on', 'stopping')),
      since timestamptz,
      trimmed_to timestamptz,
      changed_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT histories_on_since CHECK (state <> 'on' OR since IS NOT NULL)
    )`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON histories TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE histories');
  }
}
