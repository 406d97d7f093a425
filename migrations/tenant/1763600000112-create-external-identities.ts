import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** Who users are at their tenant's identity provider, sign-ins under way there, and what a sign-in began with. */
export class CreateExternalIdentities1763600000112 implements MigrationInterface {
  name = 'CreateExternalIdentities1763600000112';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE external_identities (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid NOT NULL,
      issuer text NOT NULL,
      subject text NOT NULL,
      linked_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT external_identities_subject UNIQUE (tenant_id, issuer, subject),
      CONSTRAINT external_identities_of_user UNIQUE (tenant_id, user_id, issuer),
      CONSTRAINT external_identities_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
        ON DELETE CASCADE
    )`);
    await isolateTable(runner, 'external_identities');
    await runner.query(`CREATE TABLE sso_sign_ins (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid,
      token_hash bytea,
      token_version integer,
      code_challenge text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      redeemable_until timestamptz,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT sso_sign_ins_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX sso_sign_ins_of_user ON sso_sign_ins (tenant_id, user_id)');
    await runner.query('CREATE INDEX sso_sign_ins_expiry ON sso_sign_ins (expires_at)');
    await isolateTable(runner, 'sso_sign_ins');
    await runner.query('ALTER TABLE user_tokens ADD COLUMN first_factor text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE user_tokens DROP COLUMN first_factor');
    await runner.query('DROP TABLE sso_sign_ins');
    await runner.query('DROP TABLE external_identities');
  }
}
