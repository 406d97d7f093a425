import { isolateTable } from 'tenantry';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateNotes1796100000000 implements MigrationInterface {
  name = 'CreateNotes1796100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE notebooks (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      created_at timestamptz NOT NULL,
      old_id integer,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT notebooks_old_id UNIQUE (tenant_id, old_id)
    )`);
    await runner.query(`CREATE TABLE notes (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      notebook_id uuid NOT NULL,
      content text NOT NULL,
      pinned boolean NOT NULL,
      created_at timestamptz NOT NULL,
      old_id integer,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT notes_old_id UNIQUE (tenant_id, old_id),
      CONSTRAINT notes_notebook FOREIGN KEY (tenant_id, notebook_id)
        REFERENCES notebooks (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX notes_by_notebook ON notes (tenant_id, notebook_id, id)');
    await isolateTable(runner, 'notebooks');
    await isolateTable(runner, 'notes');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notes, notebooks');
  }
}
