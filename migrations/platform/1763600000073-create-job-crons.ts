import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Which crons the processes declare, since when, and when one last said so. */
export class CreateJobCrons1763600000073 implements MigrationInterface {
  name = 'CreateJobCrons1763600000073';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE job_crons (
      name text NOT NULL,
      expression text NOT NULL,
      time_zone text NOT NULL,
      known_since timestamptz NOT NULL DEFAULT now(),
      known_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (name, expression, time_zone)
    )`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON job_crons TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE job_crons');
  }
}
