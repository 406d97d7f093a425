import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a tenant was copied from, whose sandbox it is, and whether the copy holds data. */
export class ExtendRegistryWithCopies1763600000060 implements MigrationInterface {
  name = 'ExtendRegistryWithCopies1763600000060';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE tenants
      ADD COLUMN source_tenant_id uuid CONSTRAINT tenants_source REFERENCES tenants (id),
      ADD COLUMN holder_tenant_id uuid CONSTRAINT tenants_holder REFERENCES tenants (id),
      ADD COLUMN with_data boolean NOT NULL DEFAULT false`);
    await runner.query(
      'CREATE INDEX tenants_of_source ON tenants (source_tenant_id) WHERE source_tenant_id IS NOT NULL',
    );
    await runner.query(
      'CREATE INDEX tenants_of_holder ON tenants (holder_tenant_id, id) WHERE holder_tenant_id IS NOT NULL',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE tenants
      DROP COLUMN source_tenant_id, DROP COLUMN holder_tenant_id, DROP COLUMN with_data`);
  }
}
