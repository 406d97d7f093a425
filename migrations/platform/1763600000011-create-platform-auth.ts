import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Platform admins, the keys that sign access tokens, impersonations, and which tenants an e-mail address is known to. */
export class CreatePlatformAuth1763600000011 implements MigrationInterface {
  name = 'CreatePlatformAuth1763600000011';

  async up(runner: QueryRunner): Promise<void> {
    const { platform, maintenance } = await roleNames(runner);
    await runner.query(`CREATE TABLE signing_keys (
      kid text PRIMARY KEY,
      audience text NOT NULL CONSTRAINT signing_keys_audience_known CHECK (audience IN ('tenant', 'platform')),
      public_jwk jsonb NOT NULL,
      private_key bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      active_from timestamptz NOT NULL,
      retired_at timestamptz
    )`);
    await runner.query(`CREATE TABLE platform_admins (
      id uuid PRIMARY KEY,
      email text NOT NULL,
      email_key text NOT NULL CONSTRAINT platform_admins_email_key UNIQUE,
      name text NOT NULL,
      role text NOT NULL CONSTRAINT platform_admins_role_known CHECK (role IN ('admin', 'support', 'billing', 'read-only')),
      status text NOT NULL DEFAULT 'active'
        CONSTRAINT platform_admins_status_known CHECK (status IN ('active', 'disabled')),
      password_hash text,
      token_version integer NOT NULL DEFAULT 1,
      mfa_secret bytea,
      mfa_enabled_at timestamptz,
      mfa_last_step integer,
      recovery_hashes bytea[] NOT NULL DEFAULT '{}',
      last_sign_in_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`CREATE TABLE platform_devices (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES platform_admins (id) ON DELETE CASCADE,
      name text NOT NULL,
      address text,
      token_hash bytea NOT NULL,
      previous_hash bytea,
      rotated_at timestamptz,
      successor bytea,
      in_cookie boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX platform_devices_of_user ON platform_devices (user_id)');
    await runner.query(`CREATE TABLE impersonations (
      id uuid PRIMARY KEY,
      admin_id uuid NOT NULL REFERENCES platform_admins (id),
      tenant_id uuid NOT NULL REFERENCES tenants (id),
      user_id uuid NOT NULL,
      reason text NOT NULL,
      status text NOT NULL CONSTRAINT impersonations_status_known
        CHECK (status IN ('pending', 'active', 'refused', 'ended')),
      minutes integer NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      decided_by uuid,
      started_at timestamptz,
      expires_at timestamptz
    )`);
    await runner.query('CREATE INDEX impersonations_of_tenant ON impersonations (tenant_id, id)');
    await runner.query(`CREATE TABLE email_directory (
      email_hmac bytea NOT NULL,
      tenant_id uuid NOT NULL,
      PRIMARY KEY (email_hmac, tenant_id)
    )`);
    await runner.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON platform_admins, platform_devices, email_directory TO ${platform}`,
    );
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON impersonations TO ${platform}`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO ${platform}`);
    await runner.query(`GRANT SELECT, DELETE ON platform_devices TO ${maintenance}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE email_directory, impersonations, platform_devices, platform_admins, signing_keys');
  }
}
