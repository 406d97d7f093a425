import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a tenant knows of its people and chat sessions beyond what everybody does. Without an index: `@>` is not leakproof, so
 * under row-level security none would be used, and every write would pay for it.
 */
export class AddCustomFields1763600000114 implements MigrationInterface {
  name = 'AddCustomFields1763600000114';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE users ADD COLUMN custom_fields jsonb NOT NULL DEFAULT '{}'`);
    await runner.query(`ALTER TABLE chat_sessions ADD COLUMN custom_fields jsonb NOT NULL DEFAULT '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE chat_sessions DROP COLUMN custom_fields');
    await runner.query('ALTER TABLE users DROP COLUMN custom_fields');
  }
}
