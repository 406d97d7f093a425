import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Data keys are wrapped by a key of the root key, which stays the same when MASTER_KEY is replaced. */
export class WrapByRootKey1763600000104 implements MigrationInterface {
  name = 'WrapByRootKey1763600000104';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tenant_keys RENAME COLUMN master_key_id TO root_key_id');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tenant_keys RENAME COLUMN root_key_id TO master_key_id');
  }
}
