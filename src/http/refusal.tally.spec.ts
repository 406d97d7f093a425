import type { Logger } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RefusalTally } from './refusal.tally.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('tells once a second, in one line for each tenant, how many requests were refused', () => {
  const lines: unknown[] = [];
  const tally = new RefusalTally({ warn: (line: unknown) => lines.push(line) } as unknown as Logger);
  for (let refusal = 0; refusal < 1000; refusal++) tally.count('globex');
  tally.count('acme');
  expect(lines).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(lines.splice(0)).toEqual([
    { tenant: 'globex', requests: 1000 },
    { tenant: 'acme', requests: 1 },
  ]);
  vi.advanceTimersByTime(5000);
  expect(lines).toEqual([]);
  tally.count('acme');
  vi.advanceTimersByTime(1000);
  expect(lines).toEqual([{ tenant: 'acme', requests: 1 }]);
});
