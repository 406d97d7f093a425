import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TenantQuery } from '../../src/tenant/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const TENANTS = 20_000;
const LIMIT = 10;

interface PlanNode {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
  await t.import(Array.from({ length: TENANTS }, (_, n) => ({ slug: `many-${n}` })));
  await t.database.admin(`UPDATE platform.tenants SET
    plan = (ARRAY['free', 'free', 'free', 'basic', 'pro', 'premium'])[1 + abs(hashtext(slug)) % 6],
    kind = CASE WHEN abs(hashtext(slug || 'k')) % 4 = 0 THEN 'trial' ELSE 'production' END,
    status = CASE WHEN abs(hashtext(slug || 's')) % 4 = 0 THEN 'suspended' ELSE 'active' END WHERE slug LIKE 'many-%'`);
  await t.database.admin('ANALYZE platform.tenants');
});
afterAll(() => t.close());

/** Rows of tenants that are looked at for a list, those that are not taken included. */
async function lookedAt(list: (query: TenantQuery) => Promise<unknown>): Promise<number> {
  const asked = vi.spyOn(DataSource.prototype, 'query');
  await list(t.app.get(TenantQuery, { strict: false }));
  const call = asked.mock.calls.findIndex(([sql]) => sql.includes('tenants t'));
  const [sql, parameters] = asked.mock.calls[call] ?? [];
  const platform = asked.mock.contexts[call] as DataSource;
  asked.mockRestore();
  const [explained] = await platform.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }[]>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
    parameters,
  );
  const rowsOf = (node: PlanNode): number =>
    (node['Relation Name'] === 'tenants'
      ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
      : 0) + (node.Plans ?? []).reduce((sum, child) => sum + rowsOf(child), 0);
  return rowsOf(explained!['QUERY PLAN'][0]!.Plan);
}

describe('a page of tenants by state', () => {
  it.each([
    // Many tenants are of the status and the plan, but none is a sandbox or for training.
    ['a status and a plan', { status: ['suspended'], plan: ['free'] }, 4],
    ['a status and a kind', { status: ['active'], kind: ['trial'] }, 6],
    ['a state that nobody is in', { status: ['archived'] }, 24],
  ] as const)(
    'with %s looks at no more than a page for each combination of values',
    async (_, filter, combinations) => {
      const wanted = Object.fromEntries(Object.entries(filter).map(([name, values]) => [name, [...values]]));
      expect(await lookedAt((query) => query.list(wanted, LIMIT))).toBeLessThanOrEqual(combinations * (LIMIT + 1));
    },
  );

  it('has the same tenants, in the same order, as one that looks at all', async () => {
    const query = t.app.get(TenantQuery, { strict: false });
    const rows = (await t.database.admin(
      `SELECT slug FROM platform.tenants WHERE status = 'suspended' AND plan IN ('free', 'pro') ORDER BY id DESC`,
    )) as unknown as { slug: string }[];
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await query.list({ status: ['suspended'], plan: ['free', 'pro'] }, 100, cursor);
      found.push(...page.items.map(({ slug }) => slug));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(found.length).toBeGreaterThan(200);
    expect(found).toEqual(rows.map(({ slug }) => slug));
  });
});
