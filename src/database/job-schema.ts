import type pg from 'pg';
import { getConstructionPlans, getMigrationPlans } from 'pg-boss';

/** Where the job engine lives: tables and functions of its own, which no migration of ours touches. */
export const JOBS_SCHEMA = 'jobs';

/**
 * Brings the job engine's schema to the version of the library, as the migrator, and lets the platform role read and
 * write its rows. Runtime processes only check the version: none of them may change the schema.
 *
 * @param client the migrator's connection, which holds the migration lock
 */
export async function migrateJobs(client: pg.Client, platform: string): Promise<void> {
  const { rows } = await client.query<{ schema: string | null; table: string | null }>(
    `SELECT to_regnamespace('${JOBS_SCHEMA}') AS schema, to_regclass('${JOBS_SCHEMA}.version') AS table`,
  );
  // Only what is missing: a cloned or restored database has the schema but not the right to create more.
  if (rows[0]?.schema === null) await client.query(`CREATE SCHEMA ${JOBS_SCHEMA}`);
  const construction = getConstructionPlans(JOBS_SCHEMA, { createSchema: false });
  if (rows[0]?.table === null) {
    await client.query(construction);
  } else {
    const installed = await client.query<{ version: number }>(`SELECT version FROM ${JOBS_SCHEMA}.version`);
    const version = installed.rows[0]?.version ?? 0;
    if (version < versionOf(construction)) await client.query(getMigrationPlans(JOBS_SCHEMA, version));
  }
  if (await lacksGrants(client, platform)) {
    await client.query(`GRANT USAGE ON SCHEMA ${JOBS_SCHEMA} TO ${platform};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${JOBS_SCHEMA} TO ${platform};
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${JOBS_SCHEMA} TO ${platform}`);
  }
}

/** The library says its version nowhere but in the statements that it would install. */
function versionOf(construction: string): number {
  const version = /INSERT INTO \w+\.version\(version\) VALUES \('(\d+)'\)/.exec(construction)?.[1];
  if (version === undefined) throw new Error('The job engine no longer says the version of its schema.');
  return Number(version);
}

async function lacksGrants(client: pg.Client, platform: string): Promise<boolean> {
  const { rows } = await client.query<{ lacks: boolean }>(
    `SELECT NOT has_schema_privilege($1, '${JOBS_SCHEMA}', 'USAGE') OR EXISTS (
       SELECT FROM pg_class c WHERE c.relnamespace = '${JOBS_SCHEMA}'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT (has_table_privilege($1, c.oid, 'SELECT') AND has_table_privilege($1, c.oid, 'INSERT')
               AND has_table_privilege($1, c.oid, 'UPDATE') AND has_table_privilege($1, c.oid, 'DELETE'))) AS lacks`,
    [platform],
  );
  return rows[0]?.lacks ?? true;
}
