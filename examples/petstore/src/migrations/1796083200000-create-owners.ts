import { isolateTable } from 'tenantry';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateOwners1796083200000 implements MigrationInterface {
  name = 'CreateOwners1796083200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE owners (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      email text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id)
    )`);
    await isolateTable(runner, 'owners');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE owners');
  }
}
