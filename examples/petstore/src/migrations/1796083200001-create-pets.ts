import { isolateTable } from 'tenantry';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreatePets1796083200001 implements MigrationInterface {
  name = 'CreatePets1796083200001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE pets (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      species text NOT NULL,
      breed text NOT NULL,
      born_on date,
      status text NOT NULL CONSTRAINT pets_status_known CHECK (status IN ('available', 'reserved', 'adopted')),
      owner_id uuid,
      revision integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      deleted_at timestamptz,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT pets_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES owners (tenant_id, id) ON DELETE SET NULL (owner_id)
    )`);
    await runner.query('CREATE INDEX pets_by_owner ON pets (tenant_id, owner_id)');
    // Text operators are not leakproof: under row-level security no index on a text serves LIKE, and the tenant bounds it.
    await runner.query(
      `CREATE INDEX pets_for_adoption ON pets (tenant_id, id) WHERE status = 'available' AND deleted_at IS NULL`,
    );
    await isolateTable(runner, 'pets');
    await runner.query(`CREATE TABLE pet_photos (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      pet_id uuid NOT NULL,
      file_id uuid NOT NULL,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT pet_photos_pet FOREIGN KEY (tenant_id, pet_id) REFERENCES pets (tenant_id, id) ON DELETE CASCADE,
      CONSTRAINT pet_photos_file FOREIGN KEY (tenant_id, file_id) REFERENCES tenant_files (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX pet_photos_by_pet ON pet_photos (tenant_id, pet_id, id)');
    await runner.query('CREATE INDEX pet_photos_by_file ON pet_photos (tenant_id, file_id)');
    await isolateTable(runner, 'pet_photos');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE pet_photos');
    await runner.query('DROP TABLE pets');
  }
}
