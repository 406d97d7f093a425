import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** The outbox: events that a tenant's transaction leaves to be handled after its commit. */
export class CreateOutbox1763600000002 implements MigrationInterface {
  name = 'CreateOutbox1763600000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE outbox_events (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      type text NOT NULL,
      payload bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      dead_at timestamptz,
      last_error text,
      PRIMARY KEY (tenant_id, id)
    )`);
    // The relay steps from tenant to tenant on it, however many rows each has; the dead are not in its way.
    await runner.query(
      'CREATE INDEX outbox_events_due ON outbox_events (tenant_id, next_attempt_at, id) WHERE dead_at IS NULL',
    );
    await isolateTable(runner, 'outbox_events');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE outbox_events');
  }
}
