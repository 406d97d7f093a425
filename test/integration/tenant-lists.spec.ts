import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type TenantFilter, TenantQuery } from '../../src/tenant/index.js';
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

/** Words that half of all have, and that few have, among the oldest alone. */
const nameOf = (n: number): string => `Many ${n % 2 ? 'Half' : 'Other'}${n % 400 === 7 && n < 10_000 ? ' Seldom' : ''}`;

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
  await t.import(Array.from({ length: TENANTS }, (_, n) => ({ slug: `many-${n}`, name: nameOf(n) })));
  await t.database.admin(`UPDATE platform.tenants SET
    plan = (ARRAY['free', 'free', 'free', 'basic', 'pro', 'premium'])[1 + abs(hashtext(slug)) % 6],
    kind = CASE WHEN abs(hashtext(slug || 'k')) % 4 = 0 THEN 'trial' ELSE 'production' END,
    status = CASE WHEN abs(hashtext(slug || 's')) % 4 = 0 THEN 'suspended' ELSE 'active' END WHERE slug LIKE 'many-%'`);
  await t.database.admin('ANALYZE platform.tenants');
  await t.database.admin('ANALYZE platform.tenant_words');
});
afterAll(() => t.close());

/** Rows of tenants that are looked at for a list, those that are not taken included. */
async function lookedAt(list: (query: TenantQuery) => Promise<unknown>): Promise<number> {
  const asked = vi.spyOn(DataSource.prototype, 'query');
  await list(t.app.get(TenantQuery, { strict: false }));
  const calls = asked.mock.calls.map((call, at) => ({ call, platform: asked.mock.contexts[at] as DataSource }));
  asked.mockRestore();
  let looked = 0;
  for (const { call, platform } of calls) {
    const [sql, parameters] = call;
    if (!sql.includes('tenants t')) continue;
    const [explained] = await platform.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }[]>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
      parameters,
    );
    looked += rowsOf(explained!['QUERY PLAN'][0]!.Plan);
  }
  return looked;
}

function rowsOf(node: PlanNode): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  const below = (node.Plans ?? []).reduce((sum, child) => sum + rowsOf(child), 0);
  return below + (node['Relation Name'] === 'tenants' ? own : 0);
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

describe('a search of tenants', () => {
  it.each([
    ['a word of all', { q: 'many' }, 100],
    ['a word of all in a state of many', { q: 'many', status: ['suspended'] }, 100],
    // Beginnings of 111 slugs, beside a word of all that is longer.
    ['a rare word', { q: 'many 77' }, 100 + 111],
    // Each of 24 combinations of values is asked whether somebody is in it.
    ['a word of all in a state that nobody is in', { q: 'many', status: ['archived'] }, 100 + 24],
  ] satisfies [string, TenantFilter, number][])('for %s looks at no more than that takes', async (_, filter, most) => {
    expect(await lookedAt((query) => query.list(filter, LIMIT))).toBeLessThanOrEqual(most);
  });

  it('finds what one that looks at all finds, whichever way it goes', async () => {
    const query = t.app.get(TenantQuery, { strict: false });
    const all = (await t.database.admin(
      'SELECT slug, name, status, plan, kind FROM platform.tenants ORDER BY id DESC',
    )) as unknown as { slug: string; name: string; status: string; plan: string; kind: string }[];
    const someOf = <T>(...values: T[]) => fc.option(fc.subarray(values, { minLength: 1 }), { nil: undefined });
    const filters = fc.record({
      q: fc
        .uniqueArray(fc.constantFrom('many', 'm', '1', '12', '777', '1999', 'seldom', 'half', 'nobody'), {
          minLength: 1,
        })
        .map((words) => words.join(' ')),
      status: someOf('active', 'suspended', 'archived'),
      plan: someOf('free', 'pro', 'enterprise'),
      kind: someOf('production', 'trial', 'sandbox'),
    });
    const meets = (filter: Record<string, string[] | undefined>, row: Record<string, string>) =>
      (['status', 'plan', 'kind'] as const).every((key) => filter[key]?.includes(row[key]!) ?? true);
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 100 }), async ({ q, ...states }, limit) => {
        const words = q.split(' ');
        const found = all.filter(
          (row) =>
            meets(states, row) &&
            words.every((word) =>
              `${row.slug} ${row.name}`.split(/[ -]/).some((own) => own.toLowerCase().startsWith(word)),
            ),
        );
        const filter = { q, ...states } as TenantFilter;
        const first = await query.list(filter, limit, undefined, true);
        expect(first.total).toBe(found.length);
        const second = first.next_cursor === null ? [] : (await query.list(filter, limit, first.next_cursor)).items;
        expect([...first.items, ...second].map(({ slug }) => slug)).toEqual(
          found.slice(0, 2 * limit).map(({ slug }) => slug),
        );
      }),
      { numRuns: 150 },
    );
  });
});
