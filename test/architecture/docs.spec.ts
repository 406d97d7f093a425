import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the example of docs/jobs.md is the one that is compiled', () => {
  const [, shown] = /```ts\n([\s\S]*?)\n```/.exec(readFileSync('docs/jobs.md', 'utf8')) ?? [];
  const [compiled = ''] = readFileSync('test/kit/example-jobs.ts', 'utf8').split('// docs end here');
  expect(shown).toBe(compiled.trimEnd().replace("'../../src/jobs/index.js'", "'../jobs/index.js'"));
});
