import type { EntityManager } from 'typeorm';

/** NOTIFY channel of changes to tenants: slugs separated by commas, or nothing for "any". */
export const CHANNEL = 'tenantry_tenants';

/** Past this many changed slugs a notification says "anything" instead of naming them. */
const MAX_NAMED = 100;
/** Bytes that a payload may have (PostgreSQL documentation, NOTIFY), with room to spare. */
const MAX_PAYLOAD = 7900;

/**
 * Tells every process, when the transaction commits, that these tenants changed.
 *
 * @returns what they are told: slugs, or undefined for "any"
 */
export async function announce(manager: EntityManager, slugs: string[]): Promise<string[] | undefined> {
  const all = slugs.length > MAX_NAMED ? [] : await withOldOnes(manager, slugs);
  const payload = all.join(',');
  const named = payload !== '' && payload.length <= MAX_PAYLOAD;
  await manager.query('SELECT pg_notify($1, $2)', [CHANNEL, named ? payload : '']);
  return named ? all : undefined;
}

/** A tenant is also known by the slugs that lead to it since it was renamed. */
async function withOldOnes(manager: EntityManager, slugs: string[]): Promise<string[]> {
  const rows = await manager.query<{ slug: string }[]>(
    `SELECT old.slug FROM slugs now JOIN slugs old ON old.tenant_id = now.tenant_id
      WHERE now.slug = ANY ($1) AND old.redirect_until IS NOT NULL`,
    [slugs],
  );
  return [...new Set([...slugs, ...rows.map(({ slug }) => slug)])];
}
