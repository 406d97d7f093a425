import type { MigrationInterface, QueryRunner } from 'typeorm';
import { roleNames } from '../roles.js';

/** Kinds, plans, life cycle and search of tenants; redirects of renamed slugs; keys of repeated platform requests. */
export class ExtendRegistry1763600000020 implements MigrationInterface {
  name = 'ExtendRegistry1763600000020';

  async up(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`CREATE TABLE plans (
      name text PRIMARY KEY,
      position integer NOT NULL,
      trial_days integer NOT NULL CONSTRAINT plans_trial_days_range CHECK (trial_days BETWEEN 1 AND 365),
      archive_after_days integer CONSTRAINT plans_archive_after_days_range CHECK (archive_after_days BETWEEN 1 AND 3650),
      purge_after_days integer CONSTRAINT plans_purge_after_days_range CHECK (purge_after_days BETWEEN 1 AND 3650),
      revision integer NOT NULL DEFAULT 1,
      updated_at timestamptz NOT NULL DEFAULT now()
    )`);
    await runner.query(`INSERT INTO plans (name, position, trial_days, archive_after_days, purge_after_days) VALUES
      ('free', 1, 14, 60, 90), ('basic', 2, 14, 90, 180), ('pro', 3, 14, 90, 180),
      ('premium', 4, 30, NULL, NULL), ('enterprise', 5, 30, NULL, NULL), ('unlimited', 6, 14, NULL, NULL)`);
    await runner.query(`ALTER TABLE tenants
      ADD COLUMN kind text NOT NULL DEFAULT 'production' CONSTRAINT tenants_kind_known
        CHECK (kind IN ('production', 'trial', 'sandbox', 'training')),
      ADD COLUMN revision integer NOT NULL DEFAULT 1,
      ADD COLUMN status_changed_at timestamptz NOT NULL DEFAULT now(),
      ADD COLUMN suspended_reason text,
      ADD COLUMN expires_at timestamptz,
      ADD COLUMN purge_after timestamptz,
      ADD CONSTRAINT tenants_plan_known FOREIGN KEY (plan) REFERENCES plans (name)`);
    // One index serves every combination of filters: the list asks it once for each combination of values.
    await runner.query('CREATE INDEX tenants_by_state ON tenants (status, plan, kind, id)');
    await runner.query('CREATE INDEX tenants_status_since ON tenants (status, status_changed_at)');
    await runner.query('CREATE INDEX tenants_expiring ON tenants (expires_at) WHERE expires_at IS NOT NULL');
    await runner.query('CREATE INDEX tenants_purgeable ON tenants (purge_after) WHERE purge_after IS NOT NULL');
    // A table of its own, because a search has to be able to stop early: text indexes collect every match first. Only the
    // triggers write it; a foreign key would check every word of an import.
    await runner.query(`CREATE TABLE tenant_words (
      word text COLLATE "C" NOT NULL,
      tenant_id uuid NOT NULL,
      PRIMARY KEY (word, tenant_id)
    )`);
    await runner.query('CREATE INDEX tenant_words_of_tenant ON tenant_words (tenant_id, word)');
    await runner.query(`CREATE FUNCTION words_of(slug text, name text) RETURNS SETOF text IMMUTABLE LANGUAGE sql AS $$
      SELECT DISTINCT lower(word) FROM regexp_split_to_table(normalize(slug || ' ' || name, NFKC), '[^[:alnum:]]+') AS word
       WHERE word <> '' $$`);
    // Of an update, only tenants with another slug or name are looked at; most updates change neither.
    await runner.query(`CREATE FUNCTION keep_tenant_words() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE changed record;
      BEGIN
        IF TG_OP = 'INSERT' THEN
          INSERT INTO platform.tenant_words SELECT word, f.id FROM fresh f, platform.words_of(f.slug, f.name) AS word;
        ELSIF TG_OP = 'DELETE' THEN
          FOR changed IN SELECT id FROM stale LOOP
            DELETE FROM platform.tenant_words WHERE tenant_id = changed.id;
          END LOOP;
        ELSE
          FOR changed IN SELECT f.id, f.slug, f.name FROM fresh f JOIN stale s ON s.id = f.id
                          WHERE (f.slug, f.name) IS DISTINCT FROM (s.slug, s.name) LOOP
            DELETE FROM platform.tenant_words WHERE tenant_id = changed.id;
            INSERT INTO platform.tenant_words
            SELECT word, changed.id FROM platform.words_of(changed.slug, changed.name) AS word;
          END LOOP;
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`INSERT INTO tenant_words SELECT word, id FROM tenants, words_of(slug, name) AS word`);
    await runner.query(`CREATE TRIGGER tenants_words_inserted AFTER INSERT ON tenants REFERENCING NEW TABLE AS fresh
      FOR EACH STATEMENT EXECUTE FUNCTION keep_tenant_words()`);
    await runner.query(`CREATE TRIGGER tenants_words_updated AFTER UPDATE ON tenants
      REFERENCING NEW TABLE AS fresh OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION keep_tenant_words()`);
    await runner.query(`CREATE TRIGGER tenants_words_deleted AFTER DELETE ON tenants REFERENCING OLD TABLE AS stale
      FOR EACH STATEMENT EXECUTE FUNCTION keep_tenant_words()`);
    await runner.query('ALTER TABLE slugs ADD COLUMN redirect_until timestamptz');
    await runner.query('CREATE INDEX slugs_of_tenant ON slugs (tenant_id)');
    await runner.query(`CREATE TABLE idempotency_keys (
      key_hash bytea PRIMARY KEY,
      request_hash bytea NOT NULL,
      answer jsonb NOT NULL,
      expires_at timestamptz NOT NULL
    )`);
    await runner.query('CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)');
    await runner.query(`GRANT SELECT, UPDATE ON plans TO ${platform}`);
    await runner.query(`GRANT SELECT, INSERT, DELETE ON tenant_words TO ${platform}`);
    await runner.query(`GRANT DELETE ON tenants, slugs TO ${platform}`);
    await runner.query(`GRANT UPDATE (redirect_until) ON slugs TO ${platform}`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO ${platform}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { platform } = await roleNames(runner);
    await runner.query(`REVOKE DELETE ON tenants, slugs FROM ${platform}`);
    await runner.query('DROP TABLE idempotency_keys');
    await runner.query('DROP TRIGGER tenants_words_inserted ON tenants');
    await runner.query('DROP TRIGGER tenants_words_updated ON tenants');
    await runner.query('DROP TRIGGER tenants_words_deleted ON tenants');
    await runner.query('DROP FUNCTION keep_tenant_words(), words_of(text, text)');
    await runner.query('DROP TABLE tenant_words');
    await runner.query('DROP INDEX slugs_of_tenant');
    await runner.query('ALTER TABLE slugs DROP COLUMN redirect_until');
    await runner.query('DROP INDEX tenants_by_state, tenants_status_since, tenants_expiring, tenants_purgeable');
    await runner.query(`ALTER TABLE tenants
      DROP CONSTRAINT tenants_plan_known, DROP COLUMN kind, DROP COLUMN revision, DROP COLUMN status_changed_at,
      DROP COLUMN suspended_reason, DROP COLUMN expires_at, DROP COLUMN purge_after`);
    await runner.query('DROP TABLE plans');
  }
}
