import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The platform's log also holds what platform admins do: who, on what, the change and the reason. */
export class ExtendAudit1763600000004 implements MigrationInterface {
  name = 'ExtendAudit1763600000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE audit_events
      ADD COLUMN actor_kind text NOT NULL DEFAULT 'system' CONSTRAINT audit_events_actor_kind_known
        CHECK (actor_kind IN ('user', 'api-key', 'visitor', 'platform-admin', 'system')),
      ADD COLUMN actor_id text,
      ADD COLUMN actor_name text,
      ADD COLUMN impersonator_id text,
      ADD COLUMN impersonator_name text,
      ADD COLUMN target_kind text,
      ADD COLUMN target_id text,
      ADD COLUMN before jsonb,
      ADD COLUMN after jsonb,
      ADD COLUMN reason text`);
    await runner.query('CREATE INDEX audit_events_tenant ON audit_events (tenant_id, id)');
    await runner.query('CREATE INDEX audit_events_actor ON audit_events (actor_id, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX audit_events_actor, audit_events_tenant');
    await runner.query(`ALTER TABLE audit_events
      DROP COLUMN actor_kind, DROP COLUMN actor_id, DROP COLUMN actor_name, DROP COLUMN impersonator_id,
      DROP COLUMN impersonator_name, DROP COLUMN target_kind, DROP COLUMN target_id, DROP COLUMN before,
      DROP COLUMN after, DROP COLUMN reason`);
  }
}
