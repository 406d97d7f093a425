import { describe, expect, it } from 'vitest';
import { ThreadBudget } from './thread.budget.js';

/** Looks `times` times and spends what is left each time. @returns how much could begin */
function spent(budget: ThreadBudget, times: number, keep = true, others = 0): number {
  let count = 0;
  for (let look = 0; look < times; look++) {
    budget.look(keep, others);
    for (; budget.isKept && budget.isLeft; count++) budget.spend();
  }
  return count;
}

describe('the budget of the thread', () => {
  it('is without bounds until somebody is to be kept from a thread that is busy', () => {
    const idle = new ThreadBudget(() => 0.4);
    spent(idle, 100);
    expect(idle.isKept).toBe(false);
    const busy = new ThreadBudget(() => 0.9);
    spent(busy, 100, false);
    expect(busy.isKept).toBe(false);
    spent(busy, 1);
    expect(busy.isKept).toBe(true);
    spent(busy, 1, false);
    expect([busy.isKept, busy.isLeft]).toEqual([false, true]);
  });

  it('falls while the thread is busy, never to nothing, and to no less than a quarter of what others begin', () => {
    const budget = new ThreadBudget(() => 0.95);
    spent(budget, 50);
    expect(spent(budget, 100)).toBe(50);
    spent(budget, 50, true, 20);
    expect(spent(budget, 100, true, 20)).toBeGreaterThan(490);
  });

  it('rises again while the thread has time, and does not save up what nobody took', () => {
    let busyness = 0.95;
    const budget = new ThreadBudget(() => busyness);
    spent(budget, 50);
    busyness = 0.2;
    const first = spent(budget, 50);
    expect(spent(budget, 50)).toBeGreaterThan(2 * first);
    busyness = 0.55;
    for (let look = 0; look < 100; look++) budget.look(true, 0);
    const steady = spent(budget, 1);
    expect(spent(budget, 10)).toBeLessThanOrEqual(10 * (steady + 1));
  });
});
