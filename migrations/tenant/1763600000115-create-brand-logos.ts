import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** The picture that stands for a tenant in mails and pages. */
export class CreateBrandLogos1763600000115 implements MigrationInterface {
  name = 'CreateBrandLogos1763600000115';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE brand_logos (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      media_type text NOT NULL CONSTRAINT brand_logos_type_known
        CHECK (media_type IN ('image/png', 'image/jpeg', 'image/webp', 'image/gif')),
      content bytea NOT NULL,
      tag text NOT NULL,
      width integer NOT NULL,
      height integer NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id)
    )`);
    await isolateTable(runner, 'brand_logos');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE brand_logos');
  }
}
