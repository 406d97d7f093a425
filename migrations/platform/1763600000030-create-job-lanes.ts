import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Whose turn it is: how far each tenant's jobs reach in a queue, and how far the queue itself has got. */
export class CreateJobLanes1763600000030 implements MigrationInterface {
  name = 'CreateJobLanes1763600000030';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query('CREATE TABLE job_clocks (name text PRIMARY KEY, tag integer NOT NULL)');
    await runner.query(`CREATE TABLE job_lanes (
      name text NOT NULL,
      tenant_id uuid NOT NULL,
      step integer NOT NULL,
      tag integer NOT NULL,
      PRIMARY KEY (name, tenant_id, step)
    )`);
    await runner.query('CREATE INDEX job_lanes_by_tag ON job_lanes (name, tag)');
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON job_clocks, job_lanes TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE job_lanes');
    await runner.query('DROP TABLE job_clocks');
  }
}
