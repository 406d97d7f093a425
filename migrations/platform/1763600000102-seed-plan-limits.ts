import type { MigrationInterface, QueryRunner } from 'typeorm';

const SEED = `UPDATE plans SET settings = jsonb_build_object('limits.requests_per_hour', seeded.quota) || settings
  FROM (VALUES ('free', 100), ('basic', 1000), ('pro', 5000), ('premium', 10000), ('enterprise', 100000))
    AS seeded (plan, quota)
  WHERE plans.name = seeded.plan`;

/** What each plan is sold with; a quota that the operator has set already stays. `unlimited` has none. */
export class SeedPlanLimits1763600000102 implements MigrationInterface {
  name = 'SeedPlanLimits1763600000102';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SEED);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`UPDATE plans SET settings = settings - 'limits.requests_per_hour'`);
  }
}
