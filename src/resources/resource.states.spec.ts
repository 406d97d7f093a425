import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ResourceStates } from './resource.states.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What is told, row by row, and whether that fails. */
function statesUnderTest() {
  const told: { resource: string; last_error: string | null }[] = [];
  const database = { away: false };
  const query = (_sql: string, [rows]: [string]) => {
    if (database.away) return Promise.reject(new Error('not reachable'));
    told.push(...(JSON.parse(rows) as typeof told));
    return Promise.resolve([]);
  };
  const states = new ResourceStates({ query } as unknown as DataSource);
  states.onApplicationBootstrap();
  const errors = () => told.map(({ last_error }) => last_error);
  return { states, database, errors };
}

const use = (states: ResourceStates, error?: string) => states.note('acme', 'mail_server', 'settings', error);

it('is told within seconds when a use goes otherwise than the last, and once a minute that nothing changed', async () => {
  const { states, errors } = statesUnderTest();
  for (let second = 0; second < 55; second += 1) {
    use(states);
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(errors()).toEqual([null]);
  for (let second = 0; second < 10; second += 1) {
    use(states);
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(errors()).toEqual([null, null]);
  use(states, 'It hung up.');
  await vi.advanceTimersByTimeAsync(3000);
  expect(errors()).toEqual([null, null, 'It hung up.']);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(errors()).toHaveLength(3);
});

it('is told once in two seconds at most, however often uses go this way and that', async () => {
  const { states, errors } = statesUnderTest();
  for (let tenth = 0; tenth < 100; tenth += 1) {
    use(states, tenth % 2 === 0 ? 'It hung up.' : undefined);
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(errors().length).toBeGreaterThan(1);
  expect(errors().length).toBeLessThan(7);
});

it('is told later where the database is away, and at the end of the process at once', async () => {
  const { states, database, errors } = statesUnderTest();
  database.away = true;
  use(states, 'It hung up.');
  await vi.advanceTimersByTimeAsync(5000);
  expect(errors()).toEqual([]);
  database.away = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(errors()).toEqual(['It hung up.']);
  use(states);
  await states.onApplicationShutdown();
  expect(errors()).toEqual(['It hung up.', null]);
});
