import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheKey, partsOf } from './cache.key.js';

const part = fc.oneof(
  fc.string({ unit: fc.constantFrom(':', '%', 't', '3', '0', 'a', '\ud800', '\udc00'), maxLength: 6 }),
  fc.string({ unit: 'binary' }),
  fc.uuid(),
);
const triple = fc.tuple(part, part, part);

describe('a key of the cache', () => {
  it('is never that of another tenant, namespace or key, as Redis holds it either', () => {
    fc.assert(
      fc.property(triple, triple, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        const [first, second] = [Buffer.from(cacheKey(...a)), Buffer.from(cacheKey(...b))];
        expect(first.equals(second)).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });

  it('says whose it is, whatever the other parts hold', () => {
    fc.assert(
      fc.property(fc.uuid(), part, part, (tenant, namespace, key) => {
        expect(partsOf(cacheKey(tenant, namespace, key)).tenant).toBe(tenant);
      }),
    );
  });

  it('is bounded', () => {
    expect(() => cacheKey('acme', 'pets', 'x'.repeat(1025))).toThrow(RangeError);
  });
});
