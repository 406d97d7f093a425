import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** Where users are known from, apart from where they are signed in; and to which token version a challenge belongs. */
export class CreateKnownAddresses1763600000013 implements MigrationInterface {
  name = 'CreateKnownAddresses1763600000013';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE known_addresses (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      user_id uuid NOT NULL,
      address_hash bytea NOT NULL,
      signed_in_at timestamptz,
      proven_at timestamptz,
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT known_addresses_key UNIQUE (tenant_id, user_id, address_hash),
      CONSTRAINT known_addresses_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX known_addresses_age ON known_addresses (last_seen_at)');
    await isolateTable(runner, 'known_addresses');
    await runner.query('ALTER TABLE user_tokens ADD COLUMN token_version integer');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE user_tokens DROP COLUMN token_version');
    await runner.query('DROP TABLE known_addresses');
  }
}
