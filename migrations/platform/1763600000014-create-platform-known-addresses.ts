import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Where platform admins are known from, and to which token version a challenge belongs. */
export class CreatePlatformKnownAddresses1763600000014 implements MigrationInterface {
  name = 'CreatePlatformKnownAddresses1763600000014';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE platform_known_addresses (
      id uuid NOT NULL,
      user_id uuid NOT NULL REFERENCES platform_admins (id) ON DELETE CASCADE,
      address_hash bytea NOT NULL,
      signed_in_at timestamptz,
      proven_at timestamptz,
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (user_id, address_hash)
    )`);
    await runner.query('ALTER TABLE platform_mfa_challenges ADD COLUMN token_version integer');
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON platform_known_addresses TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE platform_mfa_challenges DROP COLUMN token_version');
    await runner.query('DROP TABLE platform_known_addresses');
  }
}
