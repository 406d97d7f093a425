import type { MigrationInterface, QueryRunner } from 'typeorm';

/** For the list of events that were given up, which goes across tenants. */
export class IndexDeadEvents1763600000031 implements MigrationInterface {
  name = 'IndexDeadEvents1763600000031';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX outbox_events_dead ON outbox_events (id) WHERE dead_at IS NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX outbox_events_dead');
  }
}
