import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** The data key of each tenant that has secrets, wrapped by a key derived from MASTER_KEY. */
export class CreateTenantKeys1763600000103 implements MigrationInterface {
  name = 'CreateTenantKeys1763600000103';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE tenant_keys (
      -- Of a tenant; all zeroes: of the platform, for what tenants inherit.
      owner uuid PRIMARY KEY,
      -- Tells by which key it is wrapped.
      master_key_id text NOT NULL,
      wrapped bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_keys TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tenant_keys');
  }
}
