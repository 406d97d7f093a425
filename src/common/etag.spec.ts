import { describe, expect, it } from 'vitest';
import { etagOf, revisionOf } from './etag.js';

describe('If-Match', () => {
  it('names the revision that an ETag was given out for', () => {
    expect(revisionOf(etagOf(7))).toBe(7);
  });

  it('names it too when the ETag tells of more than the revision', () => {
    expect(revisionOf(etagOf(7, { plan: 'free' }))).toBe(7);
    expect(etagOf(7, { plan: 'free' })).not.toBe(etagOf(7, { plan: 'pro' }));
  });

  it('is any revision when it is left out or a star', () => {
    expect(revisionOf(undefined)).toBeUndefined();
    expect(revisionOf('*')).toBeUndefined();
  });

  it.each(['"7"', 'W/"r7"', 'r7', '', '"r7", "r8"', '"r99999999999"', '"r7."', '"r7.short"'])(
    'matches nothing as %s',
    (header) => {
      expect(revisionOf(header)).toBe(-1);
    },
  );
});
