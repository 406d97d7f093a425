import { isolateTable } from 'tenantry';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateVisits1796083200002 implements MigrationInterface {
  name = 'CreateVisits1796083200002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE visits (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      pet_id uuid NOT NULL,
      visited_on date NOT NULL,
      reason text NOT NULL,
      vaccine text,
      vaccination_due_on date,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT visits_due_of_a_vaccine CHECK ((vaccine IS NULL) = (vaccination_due_on IS NULL)),
      CONSTRAINT visits_pet FOREIGN KEY (tenant_id, pet_id) REFERENCES pets (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX visits_by_pet ON visits (tenant_id, pet_id, id)');
    await runner.query('CREATE INDEX visits_by_due ON visits (tenant_id, vaccination_due_on)');
    await isolateTable(runner, 'visits');
    await runner.query(`CREATE TABLE reminders (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      visit_id uuid NOT NULL,
      pet_id uuid NOT NULL,
      vaccine text NOT NULL,
      due_on date NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT reminders_once UNIQUE (tenant_id, visit_id),
      CONSTRAINT reminders_visit FOREIGN KEY (tenant_id, visit_id) REFERENCES visits (tenant_id, id) ON DELETE CASCADE
    )`);
    await isolateTable(runner, 'reminders');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE reminders');
    await runner.query('DROP TABLE visits');
  }
}
