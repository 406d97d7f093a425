import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** The servers that tenants are placed on, and the schemas and databases made there. */
export class CreateServers1763600000080 implements MigrationInterface {
  name = 'CreateServers1763600000080';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE servers (
      name text PRIMARY KEY CONSTRAINT servers_name_plain CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
      region text,
      weight integer NOT NULL DEFAULT 100 CONSTRAINT servers_weight_range CHECK (weight BETWEEN 0 AND 10000),
      plans text[],
      url bytea,
      direct_url bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT servers_default_by_environment CHECK ((name = 'default') = (url IS NULL))
    )`);
    await runner.query(`INSERT INTO servers (name) VALUES ('default')`);
    await runner.query(`CREATE TABLE places (
      server text NOT NULL REFERENCES servers (name),
      name text NOT NULL,
      kind text NOT NULL CONSTRAINT places_kind_known CHECK (kind IN ('schema', 'database')),
      login text,
      tenant_id uuid,
      state text NOT NULL CONSTRAINT places_state_known CHECK (state IN ('making', 'spare', 'used', 'dropping')),
      version text,
      migrated_at timestamptz,
      migrate_ms integer,
      error text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (server, name),
      CONSTRAINT places_used_by_a_tenant CHECK (state <> 'used' OR tenant_id IS NOT NULL)
    )`);
    await runner.query('CREATE INDEX places_of_tenant ON places (tenant_id) WHERE tenant_id IS NOT NULL');
    await runner.query(`CREATE INDEX places_by_state ON places (state, kind, server, created_at)`);
    // Few are placed elsewhere, and what works across tenants steps through them.
    await runner.query(
      `CREATE INDEX tenants_placed_elsewhere ON tenants (id) WHERE placement <> '{"kind":"shared"}' AND status <> 'deleted'`,
    );
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON servers, places TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX tenants_placed_elsewhere');
    await runner.query('DROP TABLE places');
    await runner.query('DROP TABLE servers');
  }
}
