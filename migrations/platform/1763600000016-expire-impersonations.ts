import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** An impersonation that ran out says so in its row, once; maintenance removes challenges that nobody answered. */
export class ExpireImpersonations1763600000016 implements MigrationInterface {
  name = 'ExpireImpersonations1763600000016';

  async up(runner: QueryRunner): Promise<void> {
    const { maintenance } = await roleNames(runner);
    await runner.query(`ALTER TABLE impersonations DROP CONSTRAINT impersonations_status_known,
      ADD CONSTRAINT impersonations_status_known
        CHECK (status IN ('pending', 'active', 'refused', 'ended', 'expired'))`);
    await runner.query(`CREATE INDEX impersonations_running ON impersonations (expires_at) WHERE status = 'active'`);
    await runner.query(`GRANT SELECT, DELETE ON platform_mfa_challenges TO ${maintenance}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { maintenance } = await roleNames(runner);
    await runner.query(`REVOKE SELECT, DELETE ON platform_mfa_challenges FROM ${maintenance}`);
    await runner.query('DROP INDEX impersonations_running');
    await runner.query(`UPDATE impersonations SET status = 'ended' WHERE status = 'expired'`);
    await runner.query(`ALTER TABLE impersonations DROP CONSTRAINT impersonations_status_known,
      ADD CONSTRAINT impersonations_status_known CHECK (status IN ('pending', 'active', 'refused', 'ended'))`);
  }
}
