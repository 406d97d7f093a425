import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** One-time passwords and the second factor of platform admins. */
export class ExtendPlatformAdmins1763600000012 implements MigrationInterface {
  name = 'ExtendPlatformAdmins1763600000012';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    // A new secret waits beside the one in force until a code of it was shown.
    await runner.query(`ALTER TABLE platform_admins
      ADD COLUMN must_change_password boolean NOT NULL DEFAULT false,
      ADD COLUMN mfa_pending bytea`);
    await runner.query(`CREATE TABLE platform_mfa_challenges (
      id uuid PRIMARY KEY,
      admin_id uuid NOT NULL REFERENCES platform_admins (id) ON DELETE CASCADE,
      token_hash bytea NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      expires_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX platform_mfa_challenges_of_admin ON platform_mfa_challenges (admin_id)');
    await runner.query('CREATE INDEX impersonations_of_admin ON impersonations (admin_id, id)');
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON platform_mfa_challenges TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX impersonations_of_admin');
    await runner.query('DROP TABLE platform_mfa_challenges');
    await runner.query('ALTER TABLE platform_admins DROP COLUMN must_change_password, DROP COLUMN mfa_pending');
  }
}
