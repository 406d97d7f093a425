import type { PlaceKind } from '../../src/tenant/index.js';
import { runSql } from './scratch-server.js';
import { withDatabase } from './test-env.js';

const STRUCTURE = /^\s*(ALTER|CREATE|DROP|TRUNCATE|ANALYZE|GRANT|REVOKE)\b/i;
const EVERYWHERE = /\beverywhere\./g;

/** Tenant-owned tables as a spec writes them: `everywhere.users`, wherever the places of the tenants are. */
export function placed(sql: string, kind: PlaceKind | undefined): string {
  return kind === undefined ? sql.replace(EVERYWHERE, 'shared.') : sql;
}

/** Runs SQL as the superuser; what changes the tables themselves, at each place by itself. */
export async function runPlaced(
  adminUrl: string,
  kind: PlaceKind | undefined,
  sql: string,
  values?: unknown[],
): Promise<unknown[]> {
  if (kind === undefined || !STRUCTURE.test(sql) || sql.search(EVERYWHERE) < 0) {
    return runSql(adminUrl, placed(sql, kind), values);
  }
  const places = (await runSql(
    adminUrl,
    `SELECT name, kind FROM platform.places WHERE state IN ('spare', 'used')`,
  )) as {
    name: string;
    kind: PlaceKind;
  }[];
  const rows = await runSql(adminUrl, sql.replace(EVERYWHERE, 'shared.'), values);
  for (const place of places) {
    const url = place.kind === 'database' ? withDatabase(adminUrl, place.name) : adminUrl;
    const schema = place.kind === 'database' ? 'shared' : place.name;
    rows.push(...(await runSql(url, sql.replace(EVERYWHERE, `${schema}.`), values)));
  }
  return rows;
}
