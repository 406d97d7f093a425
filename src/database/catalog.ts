import type pg from 'pg';

/**
 * The schema as the catalogue tells it, as stable text: tables, columns, constraints, indexes, row-level security,
 * policies and grants. Role names lose their installation, so that two databases compare.
 */
export async function snapshotCatalog(client: pg.Client, installation: string): Promise<string> {
  const sections: string[] = [];
  for (const [title, sql] of QUERIES) {
    const { rows } = await client.query<{ line: string }>(sql);
    sections.push(`-- ${title}\n${rows.map((row) => row.line).join('\n')}`);
  }
  return `${sections.join('\n\n')}\n`.replaceAll(`${installation}_`, '');
}

const OURS = `n.nspname IN ('platform', 'shared')`;
/** The job engine's tables are the library's; who owns them and may reach them is ours. */
const WITH_JOBS = `n.nspname IN ('platform', 'shared', 'jobs')`;

const QUERIES: [string, string][] = [
  [
    'tables',
    `SELECT format('%I.%I owner=%s rls=%s force=%s', n.nspname, c.relname, pg_get_userbyid(c.relowner),
                   c.relrowsecurity, c.relforcerowsecurity) AS line
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${WITH_JOBS} AND c.relkind IN ('r', 'p', 'v') ORDER BY 1`,
  ],
  [
    'columns',
    `SELECT format('%I.%I.%I %s%s%s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                   CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
                   coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE ${OURS} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY n.nspname, c.relname, a.attnum`,
  ],
  [
    'constraints',
    `SELECT format('%I.%I %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) AS line
       FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND k.contype <> 'n' ORDER BY 1`,
  ],
  ['indexes', `SELECT indexdef AS line FROM pg_indexes WHERE schemaname IN ('platform', 'shared') ORDER BY 1`],
  [
    'policies',
    `SELECT format('%I.%I %I %s %s to %s using %s check %s', schemaname, tablename, policyname, permissive, cmd, roles,
                   qual, with_check) AS line
       FROM pg_policies WHERE schemaname IN ('platform', 'shared') ORDER BY 1`,
  ],
  [
    'grants',
    `SELECT format('%I.%I %s', n.nspname, c.relname, array_to_string(ARRAY(SELECT unnest(c.relacl)::text ORDER BY 1), ' ')) AS line
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${WITH_JOBS} AND c.relkind IN ('r', 'p', 'S') ORDER BY 1`,
  ],
  [
    'functions',
    `SELECT format('%I.%I(%s) owner=%s %s', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid),
                   pg_get_userbyid(p.proowner), md5(p.prosrc)) AS line
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${OURS} ORDER BY 1`,
  ],
  [
    'triggers',
    `SELECT format('%I.%I %s', n.nspname, c.relname, pg_get_triggerdef(t.oid)) AS line
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND NOT t.tgisinternal ORDER BY 1`,
  ],
  [
    'schemas',
    `SELECT format('%I %s', n.nspname, array_to_string(ARRAY(SELECT unnest(n.nspacl)::text ORDER BY 1), ' ')) AS line
       FROM pg_namespace n WHERE ${WITH_JOBS} ORDER BY 1`,
  ],
];
