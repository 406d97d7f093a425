import type { DataSource } from 'typeorm';
import { MAINTENANCE_POLICY, TENANT_POLICY } from './tenant.policy.js';
import type { TenantDataSource } from './tenant.data-source.js';
import { isTenantOwned } from './tenant-owned.js';

/** The process refuses to serve: a layer that isolation rests on is not there. */
export class UnsafeDatabase extends Error {
  constructor(readonly problems: string[]) {
    super(`The database is not safe to serve from:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'UnsafeDatabase';
  }
}

interface RoleRow {
  name: string;
  superuser: boolean;
  bypass: boolean;
  creates: boolean;
  owned: number;
  memberships: number;
}

interface Policy {
  name: string;
  permissive: boolean;
  everybody: boolean;
  maintenance: boolean;
  using: string | null;
  check: string | null;
  cmd: string;
}

interface TableRow {
  name: string;
  enabled: boolean;
  forced: boolean;
  policies: Policy[];
}

type Queries = { query(sql: string, values?: unknown[]): Promise<{ rows: unknown[] }> };
type Tables = Pick<TenantDataSource, 'entityMetadatas'>;

/**
 * Checks, against the catalogue, that no runtime role has too much and that every table of the shared schema is under
 * row-level security with the one policy.
 *
 * @throws UnsafeDatabase listing everything that is wrong
 */
export async function checkBootPreconditions(
  tenant: TenantDataSource,
  platform: DataSource,
  maintenance: string,
): Promise<void> {
  const { master } = tenant.driver as unknown as { master: Queries };
  const problems = [
    ...(await placeProblems(master, 'shared', maintenance, tenant)),
    ...(await roleProblems((platform.driver as unknown as { master: Queries }).master)),
  ];
  if (problems.length > 0) throw new UnsafeDatabase(problems);
}

/**
 * The same for the tables of one schema and the role that serves from them.
 *
 * @param queries as that role
 * @returns what is wrong, in words
 */
export async function placeProblems(
  queries: Queries,
  schema: string,
  maintenance: string,
  tables: Tables,
): Promise<string[]> {
  return [
    ...(await roleProblems(queries)),
    ...(await reachProblems(queries)),
    ...(await tableProblems(queries, schema, maintenance, tables)),
    ...(await viewProblems(queries, schema)),
  ];
}

async function roleProblems(queries: Queries): Promise<string[]> {
  const { rows } = await queries.query(`
    SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypass,
           r.rolcreaterole OR r.rolcreatedb OR r.rolreplication AS creates,
           (SELECT count(*)::int FROM pg_class c WHERE c.relowner = r.oid) AS owned,
           (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS memberships
      FROM pg_roles r WHERE r.rolname = current_user`);
  const role = rows[0] as RoleRow;
  const problems: string[] = [];
  if (role.superuser) problems.push(`Role ${role.name} is a superuser: row-level security would not apply.`);
  if (role.bypass) problems.push(`Role ${role.name} has BYPASSRLS.`);
  if (role.creates) problems.push(`Role ${role.name} may create roles or databases, or replicate.`);
  if (role.owned > 0)
    problems.push(`Role ${role.name} owns ${role.owned} tables or indexes; runtime roles own nothing.`);
  if (role.memberships > 0) problems.push(`Role ${role.name} is a member of another role.`);
  return problems;
}

async function reachProblems(queries: Queries): Promise<string[]> {
  const { rows } = await queries.query(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('platform', 'jobs') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND (has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(c.oid, 'DELETE, TRUNCATE'))`);
  return (rows as { name: string }[]).map((row) => `The tenant role may reach ${row.name}.`);
}

async function tableProblems(
  queries: Queries,
  schema: string,
  maintenance: string,
  { entityMetadatas }: Tables,
): Promise<string[]> {
  const { rows } = await queries.query(
    `
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           coalesce((SELECT json_agg(json_build_object('name', p.polname, 'cmd', p.polcmd,
              'permissive', p.polpermissive, 'everybody', p.polroles = '{0}',
              'maintenance', p.polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = $1), 'using', pg_get_expr(p.polqual, p.polrelid),
              'check', pg_get_expr(p.polwithcheck, p.polrelid)))
              FROM pg_policy p WHERE p.polrelid = c.oid), '[]') AS policies
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $2 AND c.relkind IN ('r', 'p') AND c.relname <> 'migrations'`,
    [maintenance, schema],
  );
  const tables = new Map((rows as TableRow[]).map((row) => [row.name, row]));
  const problems = [...tables.values()].flatMap((table) => problemsOfTable(schema, table));
  for (const metadata of entityMetadatas) {
    if (!isTenantOwned(metadata.target)) {
      problems.push(`Entity ${metadata.name} is on the tenant data source but does not extend TenantOwned.`);
    } else if (!tables.has(metadata.tableName)) {
      problems.push(`Table ${schema}.${metadata.tableName} of entity ${metadata.name} does not exist.`);
    }
  }
  return problems;
}

/** What row-level security does not reach, or reaches as the owner instead of the role that asks. */
async function viewProblems(queries: Queries, schema: string): Promise<string[]> {
  const { rows } = await queries.query(
    `
    SELECT c.relname AS name, c.relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND (c.relkind IN ('m', 'f') OR c.relkind = 'v' AND NOT EXISTS (
             SELECT FROM pg_options_to_table(c.reloptions)
              WHERE option_name = 'security_invoker' AND option_value::boolean))`,
    [schema],
  );
  const problems: Record<string, string> = {
    m: 'is a materialised view: row-level security does not apply to it.',
    f: 'is a foreign table: row-level security does not apply to it.',
    v: "is a view without security_invoker: it reads with its owner's rights.",
  };
  return (rows as { name: string; kind: string }[]).map((row) => `${schema}.${row.name} ${problems[row.kind]}`);
}

function problemsOfTable(schema: string, table: TableRow): string[] {
  const name = `Table ${schema}.${table.name}`;
  const problems: string[] = [];
  if (!table.enabled) problems.push(`${name} has no row-level security.`);
  if (!table.forced) problems.push(`${name} lacks FORCE ROW LEVEL SECURITY.`);
  const policy = table.policies.find((candidate) => candidate.name === TENANT_POLICY);
  // Narrowed to other roles, the policy would not be the tenant role's; a restrictive one admits no row by itself.
  const applies = policy?.cmd === '*' && policy.everybody && policy.permissive;
  if (!applies || !isThePredicate(policy.using) || !isThePredicate(policy.check)) {
    problems.push(`${name} lacks the policy ${TENANT_POLICY}, or its text differs.`);
  }
  for (const other of table.policies) {
    if (other.name === TENANT_POLICY) continue;
    const whole = other.cmd === '*' && other.permissive && other.using === 'true' && other.check === 'true';
    if (other.name === MAINTENANCE_POLICY && other.maintenance && whole) continue;
    problems.push(`${name} has a policy that is not ours: ${other.name}.`);
  }
  return problems;
}

/** PostgreSQL prints the stored expression with casts and an alias of its own. */
function isThePredicate(text: string | null): boolean {
  const bare = text?.replaceAll(/::text|AS "?nullif"?|[\s()]/gi, '').toLowerCase();
  return bare === `tenant_id=selectnullifcurrent_setting'app.tenant_id',true,''::uuid`;
}
