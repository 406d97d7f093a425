import type { MigrationInterface, QueryRunner } from 'typeorm';

/** After how many days a tenant that could not be made is taken back by itself. */
export class RollBackFailedTenants1763600000070 implements MigrationInterface {
  name = 'RollBackFailedTenants1763600000070';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE plans ADD COLUMN roll_back_after_days integer NOT NULL DEFAULT 7
      CONSTRAINT plans_roll_back_after_days_range CHECK (roll_back_after_days BETWEEN 1 AND 365)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE plans DROP COLUMN roll_back_after_days');
  }
}
