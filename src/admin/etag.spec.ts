import { describe, expect, it } from 'vitest';
import { etagOf, revisionOf } from './etag.js';

describe('If-Match', () => {
  it('names the revision that an ETag was given out for', () => {
    expect(revisionOf(etagOf(7))).toBe(7);
  });

  it('is any revision when it is left out or a star', () => {
    expect(revisionOf(undefined)).toBeUndefined();
    expect(revisionOf('*')).toBeUndefined();
  });

  it.each(['"7"', 'W/"r7"', 'r7', '', '"r7", "r8"', '"r99999999999"'])('matches nothing as %s', (header) => {
    expect(revisionOf(header)).toBe(-1);
  });
});
