import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** What happened in a tenant and who did it. */
export class CreateAudit1763600000003 implements MigrationInterface {
  name = 'CreateAudit1763600000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE audit_events (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      occurred_at timestamptz NOT NULL,
      event text COLLATE "C" NOT NULL,
      actor_kind text NOT NULL CONSTRAINT audit_events_actor_kind_known
        CHECK (actor_kind IN ('user', 'api-key', 'visitor', 'platform-admin', 'system')),
      actor_id text,
      actor_name text,
      impersonator_id text,
      impersonator_name text,
      target_kind text,
      target_id text,
      before jsonb,
      after jsonb,
      details jsonb,
      address text,
      request_id text,
      occurrences integer NOT NULL DEFAULT 1,
      PRIMARY KEY (tenant_id, id)
    )`);
    // The key itself serves a listing by time, since ids are made in its order.
    await runner.query('CREATE INDEX audit_events_event ON audit_events (tenant_id, event, id)');
    await runner.query('CREATE INDEX audit_events_actor ON audit_events (tenant_id, actor_id, id)');
    await runner.query('CREATE INDEX audit_events_target ON audit_events (tenant_id, target_kind, target_id, id)');
    await isolateTable(runner, 'audit_events', { appendOnly: true });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_events');
  }
}
