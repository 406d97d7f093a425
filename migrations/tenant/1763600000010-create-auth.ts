import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

const TABLES = ['users', 'roles', 'devices', 'user_tokens', 'recovery_codes', 'invitations', 'api_keys'];

/** People and programs of a tenant, how they prove who they are, and whose a chat session is. */
export class CreateAuth1763600000010 implements MigrationInterface {
  name = 'CreateAuth1763600000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE users (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      email text NOT NULL,
      email_key text NOT NULL,
      name text NOT NULL,
      role text NOT NULL,
      status text NOT NULL DEFAULT 'active' CONSTRAINT users_status_known CHECK (status IN ('active', 'disabled')),
      password_hash text,
      email_verified_at timestamptz,
      token_version integer NOT NULL DEFAULT 1,
      mfa_secret bytea,
      mfa_enabled_at timestamptz,
      mfa_last_step integer,
      last_sign_in_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT users_email_key UNIQUE (tenant_id, email_key)
    )`);
    await runner.query('CREATE INDEX users_role ON users (tenant_id, role)');
    await runner.query(`CREATE TABLE roles (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      description text NOT NULL DEFAULT '',
      permissions text[] NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT roles_name_key UNIQUE (tenant_id, name)
    )`);
    await runner.query(`CREATE TABLE devices (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid NOT NULL,
      name text NOT NULL,
      address text,
      token_hash bytea NOT NULL,
      previous_hash bytea,
      rotated_at timestamptz,
      successor bytea,
      in_cookie boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT devices_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX devices_of_user ON devices (tenant_id, user_id)');
    await runner.query('CREATE INDEX devices_expiry ON devices (expires_at)');
    await runner.query(`CREATE TABLE user_tokens (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid NOT NULL,
      purpose text NOT NULL CONSTRAINT user_tokens_purpose_known
        CHECK (purpose IN ('reset-password', 'verify-email', 'mfa')),
      token_hash bytea NOT NULL,
      email text,
      attempts integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT user_tokens_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX user_tokens_of_user ON user_tokens (tenant_id, user_id, purpose)');
    await runner.query('CREATE INDEX user_tokens_expiry ON user_tokens (expires_at)');
    await runner.query(`CREATE TABLE recovery_codes (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid NOT NULL,
      code_hash bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT recovery_codes_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX recovery_codes_of_user ON recovery_codes (tenant_id, user_id)');
    await runner.query(`CREATE TABLE invitations (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      email text NOT NULL,
      email_key text NOT NULL,
      role text NOT NULL,
      token_hash bytea NOT NULL,
      invited_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      sent_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      accepted_at timestamptz,
      revoked_at timestamptz,
      PRIMARY KEY (tenant_id, id)
    )`);
    await runner.query(`CREATE UNIQUE INDEX invitations_open ON invitations (tenant_id, email_key)
      WHERE accepted_at IS NULL AND revoked_at IS NULL`);
    await runner.query(`CREATE TABLE api_keys (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      hint text NOT NULL,
      key_hash bytea NOT NULL,
      permissions text[] NOT NULL,
      address_ranges text[] NOT NULL DEFAULT '{}',
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      last_used_at timestamptz,
      last_used_address text,
      PRIMARY KEY (tenant_id, id)
    )`);
    // Only user_id is nulled: a session whose user is gone stays with its tenant.
    await runner.query(`ALTER TABLE chat_sessions ADD COLUMN user_id uuid,
      ADD CONSTRAINT chat_sessions_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
        ON DELETE SET NULL (user_id)`);
    await runner.query('CREATE INDEX chat_sessions_of_user ON chat_sessions (tenant_id, user_id, id)');
    for (const table of TABLES) await isolateTable(runner, table);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE chat_sessions DROP COLUMN user_id');
    await runner.query(`DROP TABLE ${[...TABLES].reverse().join(', ')}`);
  }
}
