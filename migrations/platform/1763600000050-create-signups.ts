import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Sign-ups that wait for their mail's link, the slugs they hold, invites to sign up, and notices to owners. */
export class CreateSignups1763600000050 implements MigrationInterface {
  name = 'CreateSignups1763600000050';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE slug_holds (
      slug text PRIMARY KEY,
      holder uuid NOT NULL,
      expires_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX slug_holds_expiry ON slug_holds (expires_at)');
    await runner.query(`CREATE TABLE signup_invites (
      id uuid PRIMARY KEY,
      code_hash bytea NOT NULL,
      plan text CONSTRAINT signup_invites_plan_known REFERENCES plans (name),
      note text,
      created_by uuid NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at timestamptz
    )`);
    await runner.query('CREATE INDEX signup_invites_expiry ON signup_invites (expires_at)');
    await runner.query(`CREATE TABLE signups (
      id uuid PRIMARY KEY,
      slug text NOT NULL,
      plan text NOT NULL CONSTRAINT signups_plan_known REFERENCES plans (name),
      invite_id uuid REFERENCES signup_invites (id) ON DELETE SET NULL,
      email_hmac bytea NOT NULL,
      address_hmac bytea NOT NULL,
      request bytea NOT NULL,
      token_hash bytea NOT NULL,
      mails integer NOT NULL,
      mailed_at timestamptz NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
      confirmed_at timestamptz,
      signed_in_at timestamptz
    )`);
    await runner.query('CREATE INDEX signups_of_email ON signups (email_hmac, mailed_at)');
    await runner.query('CREATE INDEX signups_of_address ON signups (address_hmac, expires_at)');
    await runner.query('CREATE INDEX signups_of_invite ON signups (invite_id) WHERE invite_id IS NOT NULL');
    await runner.query('CREATE INDEX signups_of_tenant ON signups (tenant_id) WHERE tenant_id IS NOT NULL');
    await runner.query('CREATE INDEX signups_expiry ON signups (expires_at)');
    await runner.query(`CREATE TABLE tenant_notices (
      id uuid PRIMARY KEY,
      tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
      act text NOT NULL CONSTRAINT tenant_notices_act_known
        CHECK (act IN ('suspend', 'suspended', 'archive', 'schedule', 'purge')),
      days integer NOT NULL,
      due_on timestamptz NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      sent_at timestamptz,
      CONSTRAINT tenant_notices_key UNIQUE (tenant_id, act, due_on, days)
    )`);
    await runner.query('CREATE INDEX tenant_notices_waiting ON tenant_notices (next_attempt_at) WHERE sent_at IS NULL');
    await runner.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON slug_holds, signup_invites, signups, tenant_notices TO ${platform}`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tenant_notices, signups, signup_invites, slug_holds');
  }
}
