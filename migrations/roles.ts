import type { QueryRunner } from 'typeorm';
import { LOGIN_OF_PLACE } from '../src/database/index.js';

/**
 * The installation's roles, quoted, told from the migrator's own name; and the schema being migrated. Where a tenant has
 * a login role of its own, that is its tenant role.
 */
export async function roleNames(
  runner: QueryRunner,
): Promise<{ schema: string; platform: string; tenant: string; maintenance: string; ownLogin: boolean }> {
  const rows = (await runner.query(
    `SELECT current_user AS name, current_schema() AS schema, ${LOGIN_OF_PLACE} AS login`,
  )) as { name: string; schema: string; login: string | null }[];
  const { name = '', schema = '', login = null } = rows[0] ?? {};
  const role = (kind: string): string => `"${name.replace(/migrator$/, kind)}"`;
  return {
    schema,
    platform: role('platform'),
    tenant: login ? `"${login}"` : role('tenant'),
    maintenance: role('maintenance'),
    ownLogin: login !== null,
  };
}
