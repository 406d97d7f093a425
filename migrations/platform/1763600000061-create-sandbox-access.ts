import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Codes by which a person of one tenant gets into its sandbox, each once: only hashes, and sealed who it is for. */
export class CreateSandboxAccess1763600000061 implements MigrationInterface {
  name = 'CreateSandboxAccess1763600000061';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE sandbox_access (
      code_hash bytea PRIMARY KEY,
      tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
      person bytea NOT NULL,
      expires_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX sandbox_access_of_tenant ON sandbox_access (tenant_id)');
    await runner.query('CREATE INDEX sandbox_access_expiry ON sandbox_access (expires_at)');
    await runner.query(`GRANT SELECT, INSERT, DELETE ON sandbox_access TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE sandbox_access');
  }
}
