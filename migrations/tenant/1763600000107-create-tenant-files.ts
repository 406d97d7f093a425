import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** Files of tenants, whose bytes are in a folder or a bucket. */
export class CreateTenantFiles1763600000107 implements MigrationInterface {
  name = 'CreateTenantFiles1763600000107';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE tenant_files (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      state text NOT NULL CHECK (state IN ('pending', 'stored', 'deleting')),
      name text NOT NULL,
      media_type text NOT NULL,
      bytes bigint NOT NULL,
      sha256 text NOT NULL,
      uploaded_by uuid,
      uploader_kind text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      touched_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT tenant_files_pkey PRIMARY KEY (tenant_id, id)
    )`);
    // What a tenant uses is summed up at each upload.
    await runner.query('CREATE INDEX tenant_files_usage ON tenant_files (tenant_id) INCLUDE (bytes, state)');
    await runner.query('CREATE INDEX tenant_files_by_uploader ON tenant_files (tenant_id, uploaded_by, id)');
    await runner.query(
      `CREATE INDEX tenant_files_unsettled ON tenant_files (tenant_id, touched_at) WHERE state <> 'stored'`,
    );
    await isolateTable(runner, 'tenant_files');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tenant_files');
  }
}
