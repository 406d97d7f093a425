import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Who set which setting of a tenant, a plan or the platform to what. */
export class CreateSettingChanges1763600000101 implements MigrationInterface {
  name = 'CreateSettingChanges1763600000101';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE setting_changes (
      id uuid PRIMARY KEY,
      scope text NOT NULL CONSTRAINT setting_changes_scope_known CHECK (scope IN ('tenant', 'plan', 'platform')),
      tenant_id uuid,
      plan text,
      key text NOT NULL,
      before jsonb,
      after jsonb,
      actor jsonb NOT NULL,
      changed_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT setting_changes_of_one
        CHECK ((tenant_id IS NOT NULL) = (scope = 'tenant') AND (plan IS NOT NULL) = (scope = 'plan'))
    )`);
    await runner.query(
      `CREATE INDEX setting_changes_of_tenant ON setting_changes (tenant_id, key, id) WHERE scope = 'tenant'`,
    );
    await runner.query(`CREATE INDEX setting_changes_of_plan ON setting_changes (plan, key, id) WHERE scope = 'plan'`);
    await runner.query(
      `CREATE INDEX setting_changes_of_platform ON setting_changes (key, id) WHERE scope = 'platform'`,
    );
    await runner.query(`GRANT SELECT, INSERT, DELETE ON setting_changes TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE setting_changes');
  }
}
