import { describe, expect, it } from 'vitest';
import { isUuid, newId, timeOf } from '../../common/index.js';
import { CopyIds } from './copy.ids.js';

describe('the ids of a copy', () => {
  const ids = Array.from({ length: 5000 }, () => newId());

  it('are others, always the same ones, and in the same order', () => {
    const copy = new CopyIds(newId());
    const copied = ids.map((id) => copy.of(id));
    expect(copied.every((id, index) => isUuid(id) && id !== ids[index])).toBe(true);
    expect(copied).toEqual([...copied].sort());
    expect(new Set(copied).size).toBe(ids.length);
    expect(ids.map((id) => copy.of(id))).toEqual(copied);
    expect(timeOf(copied[0]!)).toEqual(timeOf(ids[0]!));
  });

  it('of two copies are not the same', () => {
    const [one, other] = [new CopyIds(newId()), new CopyIds(newId())];
    expect(ids.filter((id) => one.of(id) === other.of(id))).toEqual([]);
  });
});
