import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAIN } from '../prove/main.subject.js';
import { mutate } from '../prove/mutate.js';
import { MUTATIONS } from '../prove/mutations.js';
import { STORE } from '../prove/petstore.subject.js';
import { leaksTold } from '../prove/report.js';
import { prove } from '../prove/suite.js';
import { columnsWithoutCanary, openWorld, type World } from '../prove/world.js';

/** `npm run prove:isolation` sends all probes, under any seed; here it is always the same share of them. */
const SEED = 20261201;

/** A sample cannot be trusted that has never failed. Those that change no table, so that the model does not matter. */
const SHOWN = ['guard removed', 'repository, filter and subscriber gone', 'header trusted over the credential'];

describe.each([
  { subject: MAIN, share: 0.015, shown: SHOWN },
  { subject: STORE, share: 0.03, shown: ['guard removed'] },
])('$subject.name', ({ subject, share, shown }) => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld(subject, SEED);
  });
  afterAll(() => world?.close());

  it('has a canary in every column with texts, or it is on the list of those that cannot hold one', async () => {
    expect(await columnsWithoutCanary(world)).toEqual(Object.keys(subject.noCanaryIn).sort());
  });

  it(`shows nothing of one tenant to another, in a sample of the probes (seed ${SEED})`, async () => {
    const { leaks, probes } = await prove(world, { share, writes: false });
    expect(leaksTold(leaks)).toEqual([]);
    expect(probes).toBeGreaterThan(300);
  });

  it.each(MUTATIONS.filter(({ name }) => shown.includes(name)))(
    'is seen as it should be with $name',
    async (mutation) => {
      const { seen, leaks } = await mutate(world, mutation);
      if (mutation.expected === 'harmless') expect(leaksTold(leaks)).toEqual([]);
      expect(seen).toBe(mutation.expected);
    },
  );
});

it('docs/isolation.md lists the mutations as they are', async () => {
  const lines = (await readFile('docs/isolation.md', 'utf8')).split('\n');
  const cells = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const head = cells.findIndex(([first]) => first === 'mutation');
  const listed = cells.slice(head + 2).filter(({ length }) => length === cells[head]?.length);
  expect(listed).toEqual(
    MUTATIONS.map(({ name, kind, models = ['shared'], expected, because }) => [
      name,
      kind,
      models.join(', '),
      expected,
      because,
    ]),
  );
});
