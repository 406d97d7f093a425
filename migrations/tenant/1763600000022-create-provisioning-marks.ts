import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** Which steps of its provisioning a tenant has the effects of, stored with those effects. */
export class CreateProvisioningMarks1763600000022 implements MigrationInterface {
  name = 'CreateProvisioningMarks1763600000022';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE provisioning_marks (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      step text NOT NULL,
      note bytea,
      created_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT provisioning_marks_step_key UNIQUE (tenant_id, step)
    )`);
    await isolateTable(runner, 'provisioning_marks');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE provisioning_marks');
  }
}
