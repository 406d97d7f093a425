import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** A number for every time that a provisioning is taken, which only grows, also when the provisioning begins anew. */
export class FenceProvisioning1763600000072 implements MigrationInterface {
  name = 'FenceProvisioning1763600000072';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query('CREATE SEQUENCE provisioning_leases');
    await runner.query(`GRANT USAGE ON SEQUENCE provisioning_leases TO ${platform}`);
    await runner.query('ALTER TABLE provisionings ADD COLUMN lease bigint');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE provisionings DROP COLUMN lease');
    await runner.query('DROP SEQUENCE provisioning_leases');
  }
}
