import type { QueryRunner } from 'typeorm';
import type { TenantMigration } from '../../src/database/index.js';
import { isolateTable } from '../../src/tenancy/index.js';
import { roleNames } from '../roles.js';

/**
 * What lets a tenant move while it works: the fence that everything done for it passes, once in each database, and the
 * capture of what changes meanwhile, in each place.
 */
export class CreateFenceAndCapture1763600000090 implements TenantMigration {
  name = 'CreateFenceAndCapture1763600000090';

  async up(runner: QueryRunner): Promise<void> {
    const { schema, tenant, maintenance, ownLogin } = await roleNames(runner);
    if (schema === 'shared') await this.createFence(runner);
    else if (ownLogin) await this.admit(runner, tenant);
    await this.createHistory(runner, maintenance);
    await this.createCapture(runner, `"${schema}"`);
    // Retention removes what tenants may only add; a move also brings it along.
    await runner.query(`GRANT INSERT ON audit_events TO ${maintenance}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { schema, maintenance } = await roleNames(runner);
    await runner.query(`REVOKE INSERT ON audit_events FROM ${maintenance}`);
    await runner.query('DROP FUNCTION capture_change() CASCADE');
    await runner.query('DROP TABLE changes');
    await runner.query('DROP TABLE history');
    if (schema !== 'shared') return;
    await runner.query('DROP FUNCTION shared.enter(text, text)');
    await runner.query('DROP FUNCTION shared.fence_key(uuid)');
    await runner.query('DROP TABLE shared.closures');
  }

  private async createFence(runner: QueryRunner): Promise<void> {
    // Tenants that are not served from a place: they have moved away, or have not arrived yet.
    await runner.query(`CREATE TABLE closures (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL DEFAULT gen_random_uuid(),
      place text NOT NULL,
      closed_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT closures_place_key UNIQUE (tenant_id, place)
    )`);
    await isolateTable(runner, 'closures', { rights: 'SELECT' });
    await runner.query(`CREATE FUNCTION fence_key(tenant uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
      RETURN hashtextextended('tenantry:tenant:' || tenant::text, 0)`);
    // The look-up comes after the lock, with a snapshot of its own, as the statements of a volatile function have in READ
    // COMMITTED: who got the lock after a mover had it sees what that mover did. The search path changes last, since the
    // plan of the look-up is kept for the one before.
    await runner.query(`CREATE FUNCTION enter(tenant text, place text) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        setting text := set_config('app.tenant_id', tenant, true);
      BEGIN
        IF NOT pg_try_advisory_xact_lock_shared(shared.fence_key(tenant::uuid)) THEN
          RAISE EXCEPTION USING ERRCODE = 'TN002', MESSAGE = 'the tenant is being moved';
        END IF;
        IF EXISTS (SELECT FROM shared.closures c WHERE c.tenant_id = enter.tenant::uuid AND c.place = enter.place) THEN
          RAISE EXCEPTION USING ERRCODE = 'TN001', MESSAGE = 'the tenant is not served from here';
        END IF;
        IF place <> 'shared' THEN
          setting := set_config('search_path', quote_ident(place), true);
        END IF;
      END $$`);
  }

  /** A role that is not the installation's passes the fence, too. Places are migrated at the same time, grants in turns. */
  private async admit(runner: QueryRunner, login: string): Promise<void> {
    await runner.query(`SELECT pg_advisory_xact_lock(hashtextextended('tenantry:fence-grants', 0))`);
    await runner.query(`GRANT USAGE ON SCHEMA shared TO ${login}`);
    await runner.query(`GRANT SELECT ON shared.closures TO ${login}`);
  }

  /**
   * What rows of tenants whose history is kept have become. Writes pay for each index, so there is none for replaying. One
   * transaction is told by when it began and by its server process: what a server calls transactions means nothing on
   * another, where a move may bring it.
   */
  private async createHistory(runner: QueryRunner, maintenance: string): Promise<void> {
    await runner.query(`CREATE TABLE history (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL DEFAULT gen_random_uuid(),
      seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      began timestamptz NOT NULL DEFAULT now(),
      pid integer NOT NULL DEFAULT pg_backend_pid(),
      relation text NOT NULL,
      key uuid NOT NULL,
      row jsonb,
      json_nulls text[],
      PRIMARY KEY (tenant_id, id)
    )`);
    await runner.query('CREATE INDEX history_by_time ON history (tenant_id, at)');
    await isolateTable(runner, 'history', { appendOnly: true, rights: 'INSERT' });
    // A move brings it along, and has its numbers go on behind those that it brought.
    await runner.query(`GRANT INSERT ON history TO ${maintenance}`);
    await runner.query(`GRANT SELECT, UPDATE ON SEQUENCE history_seq_seq TO ${maintenance}`);
  }

  private async createCapture(runner: QueryRunner, schema: string): Promise<void> {
    await runner.query(`CREATE TABLE changes (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL DEFAULT gen_random_uuid(),
      seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      purpose text NOT NULL,
      relation text NOT NULL,
      operation text NOT NULL,
      key uuid NOT NULL,
      PRIMARY KEY (tenant_id, id)
    )`);
    await runner.query(`CREATE INDEX changes_of_moves ON changes (tenant_id, relation, key) WHERE purpose = 'move'`);
    await isolateTable(runner, 'changes', { rights: 'INSERT' });
    // What a cascade removes is removed by the owner of the tables, to whom row-level security applies as well; the row was
    // the tenant's, so its entry is. A copy is no event in the life of a tenant: who makes one says so. Only
    // those are believed who could delete it from the history as well, which a tenant's role cannot; within a cascade, the
    // session's user is still who began it. Names after the purpose are of columns of JSON
    // in which its null is not SQL's.
    await runner.query(`CREATE FUNCTION capture_change() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        changed record := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        scope text := current_setting('app.tenant_id', true);
        there boolean;
        nulls text[];
      BEGIN
        IF TG_ARGV[0] = 'history' AND current_setting('tenantry.copying', true) = 'on'
           AND has_table_privilege(session_user, '${schema}.history', 'DELETE') THEN
          RETURN NULL;
        END IF;
        IF scope IS DISTINCT FROM changed.tenant_id::text THEN
          PERFORM set_config('app.tenant_id', changed.tenant_id::text, true);
        END IF;
        IF TG_ARGV[0] = 'history' AND TG_OP = 'DELETE' THEN
          INSERT INTO ${schema}.history (tenant_id, relation, key) VALUES (changed.tenant_id, TG_TABLE_NAME, changed.id);
        ELSIF TG_ARGV[0] = 'history' THEN
          FOR n IN 1 .. TG_NARGS - 1 LOOP
            IF to_jsonb(changed) -> TG_ARGV[n] = 'null' THEN
              EXECUTE format('SELECT ($1).%I IS NOT NULL', TG_ARGV[n]) INTO there USING NEW;
              IF there THEN nulls := nulls || TG_ARGV[n]; END IF;
            END IF;
          END LOOP;
          INSERT INTO ${schema}.history (tenant_id, relation, key, row, json_nulls)
          VALUES (changed.tenant_id, TG_TABLE_NAME, changed.id, to_jsonb(changed), nulls);
        ELSE
          INSERT INTO ${schema}.changes (tenant_id, purpose, relation, operation, key)
          VALUES (changed.tenant_id, TG_ARGV[0], TG_TABLE_NAME, lower(TG_OP), changed.id);
        END IF;
        IF scope IS DISTINCT FROM changed.tenant_id::text THEN
          PERFORM set_config('app.tenant_id', coalesce(scope, ''), true);
        END IF;
        RETURN NULL;
      END $$`);
  }
}
