import type { QueryRunner } from 'typeorm';

/** The installation's roles, quoted, told from the migrator's own name; and the schema being migrated. */
export async function roleNames(
  runner: QueryRunner,
): Promise<{ schema: string; platform: string; tenant: string; maintenance: string }> {
  const rows = (await runner.query('SELECT current_user AS name, current_schema() AS schema')) as {
    name: string;
    schema: string;
  }[];
  const { name = '', schema = '' } = rows[0] ?? {};
  const role = (kind: string): string => `"${name.replace(/migrator$/, kind)}"`;
  return { schema, platform: role('platform'), tenant: role('tenant'), maintenance: role('maintenance') };
}
