import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../common/index.js';
import { isWithin, SHARES, shareOf } from './feature.share.js';

const percentage = fc.double({ min: 0, max: 100, noNaN: true });

describe('the share of users who have a feature', () => {
  it('is about the percentage, for every feature and tenant', () => {
    const users = Array.from({ length: 4000 }, () => newId());
    fc.assert(
      fc.property(fc.string(), fc.uuid(), fc.integer({ min: 0, max: 100 }), (feature, tenant, percent) => {
        const had = users.filter((user) => isWithin(shareOf(feature, tenant, user), percent)).length;
        const p = percent / 100;
        // Six standard deviations: once in 10^9 by chance.
        expect(Math.abs(had - users.length * p)).toBeLessThanOrEqual(6 * Math.sqrt(users.length * p * (1 - p)));
      }),
      { numRuns: 40 },
    );
  });

  it('keeps every user it had when it grows', () => {
    fc.assert(
      fc.property(fc.string(), fc.uuid(), fc.uuid(), percentage, percentage, (feature, tenant, user, a, b) => {
        const share = shareOf(feature, tenant, user);
        expect(share).toBe(shareOf(feature, tenant, user));
        if (isWithin(share, Math.min(a, b))) expect(isWithin(share, Math.max(a, b))).toBe(true);
      }),
    );
  });

  it('is nobody at 0 and everybody at 100', () => {
    for (const share of [0, 1, SHARES - 1]) {
      expect(isWithin(share, 0)).toBe(false);
      expect(isWithin(share, 100)).toBe(true);
    }
  });

  it('is of other users for another feature', () => {
    const users = Array.from({ length: 1000 }, () => newId());
    const both = users.filter((user) => ['one', 'two'].every((name) => isWithin(shareOf(name, 'acme', user), 50)));
    expect(Math.abs(both.length - 250)).toBeLessThan(6 * Math.sqrt(1000 * 0.25 * 0.75));
  });
});
