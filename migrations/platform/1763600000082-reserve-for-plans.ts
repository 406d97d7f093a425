import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a plan keeps free for its tenants in each process: database connections, and places among what is worked at once. */
export class ReserveForPlans1763600000082 implements MigrationInterface {
  name = 'ReserveForPlans1763600000082';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE plans
      ADD COLUMN reserved_connections integer NOT NULL DEFAULT 0
        CONSTRAINT plans_reserved_connections_range CHECK (reserved_connections BETWEEN 0 AND 1000),
      ADD COLUMN reserved_workers integer NOT NULL DEFAULT 0
        CONSTRAINT plans_reserved_workers_range CHECK (reserved_workers BETWEEN 0 AND 100)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE plans DROP COLUMN reserved_connections, DROP COLUMN reserved_workers');
  }
}
