import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { VARIABLES } from '../../src/env/index.js';

it('the example of docs/jobs.md is the one that is compiled', () => {
  const [, shown] = /```ts\n([\s\S]*?)\n```/.exec(readFileSync('docs/jobs.md', 'utf8')) ?? [];
  const [compiled = ''] = readFileSync('test/kit/example-jobs.ts', 'utf8').split('// docs end here');
  expect(shown).toBe(compiled.trimEnd().replace("'../../src/jobs/index.js'", "'../jobs/index.js'"));
});

it('the example of docs/modules.md is the one that is compiled', () => {
  const [, shown] = /```ts\n([\s\S]*?)\n```/.exec(readFileSync('docs/modules.md', 'utf8')) ?? [];
  const compiled = readFileSync('test/kit/example-module.ts', 'utf8');
  expect(shown).toBe(compiled.trimEnd().replaceAll("'../../src/", "'../"));
});

it('the last example of docs/resources.md is the one that is compiled', () => {
  const shown = [...readFileSync('docs/resources.md', 'utf8').matchAll(/```ts\n([\s\S]*?)\n```/g)].at(-1);
  expect(shown?.[1]).toBe(readFileSync('test/kit/example-broker.ts', 'utf8').trimEnd());
});

it('the README has a row for every variable of the environment, and for no other', () => {
  const [, section = ''] = /\n## Environment\n([\s\S]*?)\n###? /.exec(readFileSync('README.md', 'utf8')) ?? [];
  const cells = [...section.matchAll(/^\| (`[^|]+`) +\|/gm)].map(([, cell = '']) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name]) => name));
  expect(named.sort()).toEqual(VARIABLES.map(({ name }) => name).sort());
});

it('the glossary says each word once', () => {
  const words = [...readFileSync('docs/glossary.md', 'utf8').matchAll(/^\| (.+?) +\|/gm)].map(([, word = '']) => word);
  const told = words.filter((word) => word !== 'word' && !word.startsWith('---'));
  expect(told.filter((word, at) => told.indexOf(word) !== at)).toEqual([]);
});
