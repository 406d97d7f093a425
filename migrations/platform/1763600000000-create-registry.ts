import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** The control plane: installation, tenants, slugs (never reissued) and the platform's audit log. */
export class CreateRegistry1763600000000 implements MigrationInterface {
  name = 'CreateRegistry1763600000000';

  async up(runner: QueryRunner): Promise<void> {
    const { platform, maintenance } = await roleNames(runner);
    await runner.query(`GRANT USAGE ON SCHEMA platform TO ${platform}, ${maintenance}`);
    await runner.query(`CREATE TABLE installation (
      id integer PRIMARY KEY CHECK (id = 1),
      key_fingerprint text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`CREATE TABLE tenants (
      id uuid PRIMARY KEY,
      slug text NOT NULL CONSTRAINT tenants_slug_key UNIQUE
        CONSTRAINT tenants_slug_is_a_dns_label CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
      name text NOT NULL,
      plan text NOT NULL,
      status text NOT NULL CONSTRAINT tenants_status_known
        CHECK (status IN ('provisioning', 'active', 'failed', 'suspended', 'archived', 'deleted')),
      placement jsonb NOT NULL DEFAULT '{"kind":"shared"}',
      settings jsonb NOT NULL DEFAULT '{}',
      extra jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`CREATE TABLE slugs (
      slug text PRIMARY KEY,
      tenant_id uuid NOT NULL,
      reserved_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`CREATE TABLE audit_events (
      id uuid PRIMARY KEY,
      occurred_at timestamptz NOT NULL,
      event text NOT NULL,
      tenant_id uuid,
      request_id text,
      address text,
      occurrences integer NOT NULL DEFAULT 1,
      details jsonb NOT NULL DEFAULT '{}'
    )`);
    await runner.query('CREATE INDEX audit_events_time ON audit_events (occurred_at, id)');
    await runner.query(`GRANT SELECT, INSERT ON installation, slugs, audit_events TO ${platform}`);
    await runner.query(`GRANT UPDATE (occurrences) ON audit_events TO ${platform}`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON tenants TO ${platform}`);
    await runner.query(`GRANT SELECT, DELETE ON audit_events TO ${maintenance}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { platform, maintenance } = await roleNames(runner);
    await runner.query('DROP TABLE audit_events, slugs, tenants, installation');
    await runner.query(`REVOKE USAGE ON SCHEMA platform FROM ${platform}, ${maintenance}`);
  }
}
