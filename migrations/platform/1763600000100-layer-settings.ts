import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Settings that plans and the platform make for tenants that set nothing of their own. */
export class LayerSettings1763600000100 implements MigrationInterface {
  name = 'LayerSettings1763600000100';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`ALTER TABLE plans ADD COLUMN settings jsonb NOT NULL DEFAULT '{}'`);
    await runner.query(`CREATE TABLE platform_settings (
      id integer PRIMARY KEY DEFAULT 1 CONSTRAINT platform_settings_one CHECK (id = 1),
      settings jsonb NOT NULL DEFAULT '{}',
      revision integer NOT NULL DEFAULT 1,
      updated_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query('INSERT INTO platform_settings DEFAULT VALUES');
    await runner.query(`GRANT SELECT, UPDATE ON platform_settings TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE platform_settings');
    await runner.query('ALTER TABLE plans DROP COLUMN settings');
  }
}
