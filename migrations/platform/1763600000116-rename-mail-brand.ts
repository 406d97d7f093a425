import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a tenant calls itself is no longer for mails alone: the setting `mail.brand` is `branding.name`, its history included. */
export class RenameMailBrand1763600000116 implements MigrationInterface {
  name = 'RenameMailBrand1763600000116';

  async up(runner: QueryRunner): Promise<void> {
    await rename(runner, 'mail.brand', 'branding.name');
  }

  async down(runner: QueryRunner): Promise<void> {
    await rename(runner, 'branding.name', 'mail.brand');
  }
}

async function rename(runner: QueryRunner, from: string, to: string): Promise<void> {
  for (const table of ['tenants', 'plans', 'platform_settings']) {
    await runner.query(
      `UPDATE ${table} SET settings = settings - $1::text || jsonb_build_object($2::text, settings -> $1::text)
        WHERE jsonb_exists(settings, $1::text)`,
      [from, to],
    );
  }
  await runner.query('UPDATE setting_changes SET key = $2 WHERE key = $1', [from, to]);
}
