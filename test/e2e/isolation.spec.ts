import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MAIN } from '../prove/main.subject.js';
import { mutate } from '../prove/mutate.js';
import { MUTATIONS } from '../prove/mutations.js';
import { leaksTold } from '../prove/report.js';
import { prove } from '../prove/suite.js';
import { columnsWithoutCanary, openWorld, type World } from '../prove/world.js';

/** `npm run prove:isolation` sends all probes, under any seed; here it is always the same share of them. */
const SEED = 20261201;

/** A sample cannot be trusted that has never failed. Those that change no table, so that the model does not matter. */
const SHOWN = new Set([
  'guard removed',
  'repository, filter and subscriber gone',
  'header trusted over the credential',
]);

let world: World;
beforeAll(async () => {
  world = await openWorld(MAIN, SEED);
});
afterAll(() => world?.close());

it('every column with texts holds a canary, or is on the list of those that cannot', async () => {
  expect(await columnsWithoutCanary(world)).toEqual(Object.keys(MAIN.noCanaryIn).sort());
});

it(`finds nothing of one tenant with another, in a sample of the probes (seed ${SEED})`, async () => {
  const { leaks, probes } = await prove(world, { share: 0.015, writes: false });
  expect(leaksTold(leaks)).toEqual([]);
  expect(probes).toBeGreaterThan(300);
});

it.each(MUTATIONS.filter(({ name }) => SHOWN.has(name)))('sees what it should of: $name', async (mutation) => {
  const { seen, leaks } = await mutate(world, mutation);
  if (mutation.expected === 'harmless') expect(leaksTold(leaks)).toEqual([]);
  expect(seen).toBe(mutation.expected);
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
