import { expect, it } from 'vitest';
import { latest } from './history.window.js';
import type { Turn } from './model.provider.js';

const said = (role: Turn['role'], content: string): Turn => ({ role, content });
const newestFirst = [said('assistant', 'dd'), said('user', 'cc'), said('assistant', 'bb'), said('user', 'aa')];
const contents = (maxBytes: number) => latest(newestFirst, maxBytes).map(({ content }) => content);

it('a model is told the latest messages that fit, oldest first, from a question on', () => {
  expect(contents(100)).toEqual(['aa', 'bb', 'cc', 'dd']);
  expect(contents(8)).toEqual(['aa', 'bb', 'cc', 'dd']);
  expect(contents(7)).toEqual(['cc', 'dd']);
  expect(contents(4)).toEqual(['cc', 'dd']);
  expect(contents(3)).toEqual([]);
  expect(latest([said('user', 'é')], 1)).toEqual([]);
  expect(latest([], 100)).toEqual([]);
});
