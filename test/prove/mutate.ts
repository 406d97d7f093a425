import { TenantCache } from '../../src/cache/index.js';
import type { Mutation } from './mutations.js';
import type { Row } from './report.js';
import { type Extent, prove } from './suite.js';
import type { World } from './world.js';

/** Enough to see each of them, and no more: the unmutated application has passed the whole. */
const USUAL: Extent = {
  share: 0.06,
  writes: false,
  only: ({ method, access }) => method === 'GET' && !access.kind.startsWith('platform'),
  actors: ({ kind, role, tenant }) =>
    tenant === undefined || (tenant !== 'initech' && (kind === 'visitor' || role === 'viewer' || role === 'owner')),
};

/** The same probes with nothing broken. */
export const NONE: Mutation = {
  name: 'none',
  kind: 'single layer',
  expected: 'harmless',
  because: 'nothing is broken',
  apply: () => () => undefined,
};

/** What was read while something was broken must not be what the next one is seen by. */
function forget(world: World): void {
  const cache: unknown = world.t.app.get(TenantCache);
  (cache as { store: { clear(): unknown } }).store.clear();
}

/** Puts a mutation in, proves, and takes it out again. */
export async function mutate(world: World, mutation: Mutation): Promise<Row> {
  const undo = await mutation.apply(world);
  try {
    const extent = { ...USUAL, ...mutation.extent };
    const share = Math.min(1, extent.share * world.subject.mutations.times);
    const { leaks, probes } = await prove(world, { ...extent, share });
    const from = [...new Set(leaks.map((leak) => leak.from))];
    const { where = /./ } = mutation;
    const seen = leaks.length === 0 ? 'harmless' : from.some((one) => where.test(one)) ? 'detected' : 'seen elsewhere';
    const first = [...from].sort((a, b) => Number(where.test(b)) - Number(where.test(a))).slice(0, 2);
    const by = leaks.length > 0 ? `${leaks.length} leaks: ${first.join(', ')}` : mutation.because;
    return { name: mutation.name, kind: mutation.kind, expected: mutation.expected, seen, probes, by, leaks };
  } finally {
    await undo();
    forget(world);
  }
}
