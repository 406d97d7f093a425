import { describe, expect, it } from 'vitest';
import { firstIdAt, isUuid, newId, timeOf } from './ids.js';

describe('the time in an id', () => {
  it('is when it was made, and orders ids against bounds', () => {
    const before = Date.now();
    const id = newId();
    const made = timeOf(id).getTime();
    expect(made).toBeGreaterThanOrEqual(before);
    expect(firstIdAt(new Date(made)) <= id).toBe(true);
    expect(firstIdAt(new Date(made + 1)) > id).toBe(true);
    expect(timeOf(firstIdAt(new Date(made)))).toEqual(new Date(made));
  });

  it('is clamped to what an id can hold', () => {
    for (const time of [new Date(-1), new Date(8.64e15)]) expect(isUuid(firstIdAt(time))).toBe(true);
    expect(firstIdAt(new Date(-1))).toBe('00000000-0000-7000-8000-000000000000');
  });
});
