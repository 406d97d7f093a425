import { describe, expect, it } from 'vitest';
import { byteRange } from './byte.range.js';
import { HEAD_BYTES, isAccepted, mediaTypeOf } from './file.type.js';

describe('the type of a file', () => {
  it.each([
    ['text/plain', 'just a text'],
    ['text/plain', ''],
    ['text/plain', '{"a": "<svg>"}'],
    ['text/plain', '<appointment>'],
    ['text/html', '  \n<HTML lang=en>'],
    ['text/html', '<p>'],
    ['text/html', '<!--x-->'],
    ['image/svg+xml', '<!DOCTYPE svg PUBLIC "x">'],
    ['application/xml', '<?xml version="1.0"?><a/>'],
    ['application/pdf', '%PDF-1.4\n'],
    ['image/gif', 'GIF89a\x01\x00\x01\x00'],
    ['application/octet-stream', '\x00\x01\x02\x03'],
  ])('is %s for %j', async (type, text) => {
    expect(await mediaTypeOf(Buffer.from(text, 'latin1'))).toBe(type);
  });

  it('is that of a text also when a character is cut in two at the end of what is looked at', async () => {
    const head = Buffer.from('ü'.repeat(HEAD_BYTES)).subarray(0, HEAD_BYTES - 1);
    expect(await mediaTypeOf(head)).toBe('text/plain');
    expect(await mediaTypeOf(Buffer.from([0x61, 0xff, 0x62]))).toBe('application/octet-stream');
  });

  it('is taken by name or by group, and any where nothing is said', () => {
    expect(isAccepted('image/png', [])).toBe(true);
    expect(isAccepted('image/png', ['text/plain', 'image/*'])).toBe(true);
    expect(isAccepted('image/png', ['image/png'])).toBe(true);
    expect(isAccepted('image/png', ['image/jpeg', 'ima/*'])).toBe(false);
  });
});

it.each([
  ['bytes=0-0', 10, { first: 0, last: 0 }],
  ['BYTES=2-', 10, { first: 2, last: 9 }],
  ['bytes=-3', 10, { first: 7, last: 9 }],
  ['bytes=-30', 10, { first: 0, last: 9 }],
  ['bytes=0-99', 10, { first: 0, last: 9 }],
  ['bytes=-', 10, undefined],
  ['bytes=5-2', 10, undefined],
  ['bytes=0-1,3-4', 10, undefined],
  [undefined, 10, undefined],
])('the range %s of %i bytes is %j', (header, bytes, range) => {
  expect(byteRange(header, bytes)).toEqual(range);
});

it.each([
  ['bytes=10-', 10],
  ['bytes=-0', 10],
  ['bytes=0-', 0],
  ['bytes=-1', 0],
])('the range %s of %i bytes is none', (header, bytes) => {
  expect(() => byteRange(header, bytes)).toThrow(expect.objectContaining({ status: 416 }) as Error);
});
