import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MockModelProvider, reverse } from './mock-model.provider.js';

describe('mock models', () => {
  it('reverse by grapheme, so that clusters survive', () => {
    expect(reverse('ab👨‍👩‍👧e\u0301')).toBe('e\u0301👨‍👩‍👧ba');
  });

  it('reverse plain text twice to itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abc xyz') }), (text) => reverse(reverse(text)) === text),
    );
  });

  it('support mock models and nothing else', () => {
    const provider = new MockModelProvider();
    expect(['mock', 'mock-1', 'mock-99'].every((model) => provider.supports(model))).toBe(true);
    expect(['gpt-5', 'mockery', ''].some((model) => provider.supports(model))).toBe(false);
  });
});
