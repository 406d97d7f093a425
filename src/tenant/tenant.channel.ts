import type { EntityManager } from 'typeorm';

/** NOTIFY channel of changes to tenants: slugs separated by commas, or nothing for "any". */
export const CHANNEL = 'tenantry_tenants';

/** Past this many changed slugs a notification says "anything" instead of naming them. */
const MAX_NAMED = 100;
/** Bytes that a payload may have (PostgreSQL documentation, NOTIFY), with room to spare. */
const MAX_PAYLOAD = 7900;

/** Tells every process, when the transaction commits, that these tenants changed. */
export async function announce(manager: EntityManager, slugs: string[]): Promise<void> {
  const payload = slugs.length > MAX_NAMED ? '' : (await withOldOnes(manager, slugs)).join(',');
  await manager.query('SELECT pg_notify($1, $2)', [CHANNEL, payload.length > MAX_PAYLOAD ? '' : payload]);
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
