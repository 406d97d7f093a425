import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distribute } from '../../src/database/citus.js';
import { createInstallation, type Installation } from './installation.js';

let installation: Installation;
let client: pg.Client;
beforeAll(async () => {
  installation = await createInstallation();
  client = new pg.Client({ connectionString: installation.prepared.url('migrator', true) });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await installation.drop();
});

const OURS = `n.nspname = 'shared' AND c.relname <> 'migrations'`;

describe('the shared tables of tenants', () => {
  it('have tenant_id in every primary key, unique constraint and unique index', async () => {
    const indexes = await installation.admin<{ name: string; fit: boolean }>(
      `SELECT i.indexrelid::regclass::text AS name,
              EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                         AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) AS fit
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE ${OURS} AND (i.indisunique OR i.indisexclusion)`,
    );
    expect(indexes.length).toBeGreaterThan(10);
    expect(indexes.filter(({ fit }) => !fit)).toEqual([]);
  });

  it('have foreign keys to each other alone, tenant_id to tenant_id, which never set tenant_id', async () => {
    const keys = await installation.admin<{ name: string; fit: boolean }>(
      `SELECT k.conname AS name,
              r.relnamespace = c.relnamespace
              AND EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (own, other)
                            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own
                            JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.other
                           WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id')
              AND (k.confdeltype NOT IN ('n', 'd') OR NOT EXISTS (
                    SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attname = 'tenant_id'
                       AND a.attnum = ANY (coalesce(k.confdelsetcols, k.conkey))))
              AND k.confupdtype = 'a' AS fit
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype = 'f' AND (${OURS} OR r.relnamespace = 'shared'::regnamespace)`,
    );
    expect(keys.length).toBeGreaterThan(4);
    expect(keys.filter(({ fit }) => !fit)).toEqual([]);
  });
});

/** What Citus would be asked: its functions and its catalogue, which write down what they are called with. */
const FAKE = `CREATE SCHEMA citus;
  CREATE TABLE citus.pg_dist_partition (seq int GENERATED ALWAYS AS IDENTITY, logicalrelid regclass, partmethod "char", colocate_with text);
  CREATE FUNCTION citus.create_distributed_table(table_name regclass, distribution_column text, colocate_with text) RETURNS void
    LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = table_name AND k.contype = 'f' AND k.confrelid <> table_name
                    AND NOT EXISTS (SELECT FROM citus.pg_dist_partition d WHERE d.logicalrelid = k.confrelid)) THEN
        RAISE EXCEPTION 'cannot create foreign key constraint to a local table';
      END IF;
      IF distribution_column <> 'tenant_id' THEN RAISE EXCEPTION 'distributed by %', distribution_column; END IF;
      INSERT INTO citus.pg_dist_partition (logicalrelid, partmethod, colocate_with) VALUES (table_name, 'h', colocate_with);
    END $$;
  CREATE FUNCTION citus.create_reference_table(table_name regclass) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO citus.pg_dist_partition (logicalrelid, partmethod) VALUES (table_name, 'n') $$;
  CREATE TABLE shared.countries (code text PRIMARY KEY)`;

describe('on a coordinator', () => {
  const tables = () =>
    installation.admin<{ name: string; partmethod: string; colocate_with: string | null }>(
      `SELECT logicalrelid::text AS name, partmethod, colocate_with FROM citus.pg_dist_partition ORDER BY seq`,
    );

  it('nothing is distributed without the extension', async () => {
    expect(await distribute(client)).toEqual([]);
    const [row] = await installation.admin<{ plain: boolean }>(
      `SELECT pg_get_functiondef('shared.enter(text, text)'::regprocedure) NOT LIKE '%set_everywhere%' AS plain`,
    );
    expect(row).toEqual({ plain: true });
  });

  it('every table of tenants is distributed once with the others, parents first, and look-ups are copied', async () => {
    const migrator = installation.prepared.roles.name('migrator');
    await installation.admin(FAKE);
    await installation.admin(`ALTER TABLE shared.countries OWNER TO ${migrator}`);
    await installation.admin(`GRANT USAGE ON SCHEMA citus TO ${migrator}`);
    await installation.admin(`GRANT ALL ON ALL TABLES IN SCHEMA citus TO ${migrator}`);
    const done = await distribute(client);
    const there = await tables();
    expect(there[0]).toEqual({ name: 'shared.countries', partmethod: 'n', colocate_with: null });
    const owned = await installation.admin<{ name: string }>(
      `SELECT format('shared.%s', c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' WHERE ${OURS} AND c.relkind = 'r'`,
    );
    const distributed = there.slice(1);
    expect(distributed.map(({ name }) => name).sort()).toEqual(owned.map(({ name }) => name).sort());
    expect(done).toHaveLength(there.length);
    expect(distributed[0]?.colocate_with).toBe('none');
    const names = new Set(distributed.map(({ name }) => name));
    for (const { colocate_with: along } of distributed.slice(1)) expect(names).toContain(along);
    expect(await distribute(client)).toEqual([]);
    expect(await tables()).toEqual(there);
  });

  it('the setting of a tenant goes as SET LOCAL, with propagation on, and ends with the transaction', async () => {
    const tenant = '01890000-0000-7000-8000-000000000001';
    const role = new pg.Client({ connectionString: installation.prepared.url('tenant', true) });
    await role.connect();
    const settings = async () =>
      (
        await role.query(
          `SELECT nullif(current_setting('app.tenant_id', true), '') AS tenant,
                  nullif(current_setting('citus.propagate_set_commands', true), '') AS propagate`,
        )
      ).rows[0] as unknown;
    try {
      await role.query('BEGIN');
      await role.query(`SELECT shared.enter($1, 'shared')`, [tenant]);
      expect(await settings()).toEqual({ tenant, propagate: 'local' });
      await role.query('COMMIT');
      expect(await settings()).toEqual({ tenant: null, propagate: null });
    } finally {
      await role.end();
    }
    const [row] = await installation.admin<{ text: string }>(
      `SELECT pg_get_functiondef('shared.set_everywhere(text)'::regprocedure) AS text`,
    );
    expect(row?.text).toContain('SET LOCAL');
  });
});
