import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateNotes1700000000000 implements MigrationInterface {
  name = 'CreateNotes1700000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE notebooks (
      id serial PRIMARY KEY,
      name text NOT NULL,
      created_at timestamptz NOT NULL
    )`);
    await runner.query(`CREATE TABLE notes (
      id serial PRIMARY KEY,
      notebook_id integer NOT NULL REFERENCES notebooks ON DELETE CASCADE,
      content text NOT NULL,
      pinned boolean NOT NULL,
      created_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX notes_by_notebook ON notes (notebook_id, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notes, notebooks');
  }
}
