import { describe, expect, inject, it } from 'vitest';
import { MAIN } from './main.subject.js';
import { mutate, NONE } from './mutate.js';
import { MUTATIONS } from './mutations.js';
import { STORE } from './petstore.subject.js';
import { leaksTold, type Row, table, told } from './report.js';
import { prove } from './suite.js';
import { openWorld } from './world.js';

const seed = Number(process.env['PROVE_SEED'] ?? 1);
const share = Number(process.env['PROVE_SHARE'] ?? 1);
const only = process.env['PROVE_ONLY'];
const keep = process.env['PROVE_KEEP'] === 'on';
const mutation = process.env['PROVE_MUTATION'];
const mutations = MUTATIONS.filter(
  ({ name, models = ['shared'] }) =>
    process.env['PROVE_MUTATIONS'] !== 'off' &&
    models.includes(inject('model')) &&
    (mutation === undefined || name.includes(mutation)),
);
/** Applications whose isolation is proved. */
const SUBJECTS = [MAIN, STORE];

describe.each(SUBJECTS)('the isolation of $name', (subject) => {
  // In a world of its own: some mutations leave traces.
  it.runIf(mutations.length > 0)('is seen to be broken wherever it is, and nowhere else', async () => {
    const world = await openWorld(subject, seed);
    try {
      const rows: Row[] = [];
      for (const one of [NONE, ...mutations.filter((one) => subject.mutations.shown(one))]) {
        const row = await mutate(world, one);
        rows.push(row);
        const right = row.seen === row.expected;
        console.log(`${right ? 'as expected' : 'NOT AS EXPECTED'}: ${row.name}, ${row.seen}: ${row.by}`);
        if (!right) console.log(leaksTold(row.leaks).join('\n'));
      }
      console.log(`\n${table(rows)}\n`);
      expect(rows.filter(({ expected, seen }) => expected !== seen).map(({ name }) => name)).toEqual([]);
    } finally {
      await world.close();
    }
  });

  it.runIf(mutation === undefined)('holds', async () => {
    const world = await openWorld(subject, seed);
    try {
      const result = await prove(world, {
        share,
        writes: true,
        ...(only !== undefined && { only: ({ title }) => title.includes(only) }),
      });
      console.log(told(result, { model: inject('model'), subject: subject.name, seed }));
      if (keep && result.leaks.length > 0) {
        console.log(`It stays up on port ${world.t.port}, for the commands above, until Ctrl-C.`);
        await new Promise(() => undefined);
      }
      expect(leaksTold(result.leaks)).toEqual([]);
    } finally {
      await world.close();
    }
  });
});
