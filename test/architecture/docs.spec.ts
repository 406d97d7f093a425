import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
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

describe('the layers', () => {
  const { forbidden } = createRequire(import.meta.url)('../../.dependency-cruiser.cjs') as {
    forbidden: { name: string; to: { pathNot: string[] } }[];
  };
  const rows = forbidden.find(({ name }) => name === 'known-layer')!.to.pathNot.map((path) => new RegExp(path));
  const folders = readdirSync('src').map((name) => (name.endsWith('.ts') ? name : `${name}/`));
  const named = (text: string) => [...text.matchAll(/`([\w.-]+\/?)`/g)].map(([, name = '']) => name);
  const pathOf = (name: string) => (name.endsWith('/') ? `src/${name}x.ts` : `src/${name}.ts`);

  it('are told in CONTRIBUTING.md as they are enforced, row by row', () => {
    const [, section = ''] = /\n## Layers\n([\s\S]*?)\n## /.exec(readFileSync('CONTRIBUTING.md', 'utf8')) ?? [];
    const told = [...section.matchAll(/^\d+\. (.*)$/gm)].map(([, line = '']) => named(line).map(pathOf));
    const enforced = rows.map((row) =>
      told.flat().filter((path) => row.test(path) || (path === 'src/cli.ts' && row.test('src/cli/x.ts'))),
    );
    expect(enforced.map((row) => row.sort())).toEqual(told.map((row) => [...row].sort()));
    expect(
      folders
        .filter((name) => name.endsWith('/') && name !== 'cli/')
        .map(pathOf)
        .sort(),
    ).toEqual(
      told
        .flat()
        .filter((path) => path.endsWith('/x.ts'))
        .sort(),
    );
  });

  it('have every folder of src in the table of docs/architecture.md, once', () => {
    const [, section = ''] = /\n## Slices\n([\s\S]*?)\n## /.exec(readFileSync('docs/architecture.md', 'utf8')) ?? [];
    const cells = [...section.matchAll(/^\| (`[^|]+?) +\|/gm)].flatMap(([, cell = '']) => named(cell));
    expect(cells.sort()).toEqual(folders.filter((name) => name.endsWith('/')).sort());
  });
});

it('the walk-through names files that are there, and what is in them', () => {
  const steps = readFileSync('docs/walk-through.md', 'utf8')
    .split(/\n(?=\d+\. |\n|- )/)
    .filter((part) => part.includes('](../src/'));
  expect(steps.length).toBeGreaterThan(30);
  const wrong = steps.flatMap((step) => {
    const files = [...step.matchAll(/\]\(\.\.\/(src\/[\w./-]+)\)/g)].map(([, file = '']) => file);
    const lost = files.filter((file) => !existsSync(file));
    const text = files
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    const words = [...step.matchAll(/`@?([A-Za-z_]\w*(?:\.[a-z]\w*)?)(?:\(\))?`/g)].flatMap(([, word = '']) =>
      word.split('.'),
    );
    return [
      ...lost,
      ...words.filter((word) => !new RegExp(`\\b${word}\\b`).test(text)).map((word) => `${word}: ${step}`),
    ];
  });
  expect(wrong).toEqual([]);
});
