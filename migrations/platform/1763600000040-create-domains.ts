import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** The domains that tenants say are theirs. Anybody may say so; only one can have proven it. */
export class CreateDomains1763600000040 implements MigrationInterface {
  name = 'CreateDomains1763600000040';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE tenant_domains (
      id uuid PRIMARY KEY,
      tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
      domain text COLLATE "C" NOT NULL CONSTRAINT tenant_domains_is_a_name
        CHECK (domain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$' AND length(domain) <= 243),
      token text NOT NULL,
      status text NOT NULL DEFAULT 'pending' CONSTRAINT tenant_domains_status_known
        CHECK (status IN ('pending', 'verified', 'disabled', 'expired')),
      is_primary boolean NOT NULL DEFAULT false CONSTRAINT tenant_domains_primary_is_verified
        CHECK (NOT is_primary OR status = 'verified'),
      created_at timestamptz NOT NULL DEFAULT now(),
      pending_since timestamptz NOT NULL DEFAULT now(),
      verified_at timestamptz,
      checked_at timestamptz,
      failing_since timestamptz,
      finding text,
      next_check_at timestamptz DEFAULT now(),
      notice text CONSTRAINT tenant_domains_notice_known CHECK (notice IN ('verified', 'disabled')),
      notice_at timestamptz,
      CONSTRAINT tenant_domains_of_tenant UNIQUE (tenant_id, domain)
    )`);
    // A claim alone keeps nobody from the domain; a proof does.
    await runner.query(
      `CREATE UNIQUE INDEX tenant_domains_proven ON tenant_domains (domain) WHERE status = 'verified'`,
    );
    await runner.query(`CREATE UNIQUE INDEX tenant_domains_primary ON tenant_domains (tenant_id) WHERE is_primary`);
    await runner.query(
      `CREATE INDEX tenant_domains_due ON tenant_domains (next_check_at) WHERE next_check_at IS NOT NULL`,
    );
    await runner.query(`CREATE INDEX tenant_domains_notices ON tenant_domains (notice_at) WHERE notice_at IS NOT NULL`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_domains TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tenant_domains');
  }
}
