import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { API_KEY_BYTES, decodeApiKey, encodeApiKey } from './api-key.format.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const bytes = fc.uint8Array({ minLength: API_KEY_BYTES, maxLength: API_KEY_BYTES }).map((array) => Buffer.from(array));

/** Gives any body the checksum that belongs to it, by the definition and not by the code under test. */
const sealed = (body: string): string => {
  let rest = crc32(body);
  let digits = '';
  for (let i = 0; i < 6; i++) {
    digits = ALPHABET.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return body + digits;
};

describe('the text of an API key', () => {
  it('gives back the bytes it was made of, at one length', () => {
    fc.assert(
      fc.property(bytes, (key) => {
        const text = encodeApiKey(key);
        expect(text).toMatch(/^tnt_[0-9A-Za-z]{95}$/);
        expect(decodeApiKey(text)?.equals(key)).toBe(true);
      }),
    );
  });

  it.each([0x00, 0xff])('keeps its length with every byte %i', (byte) => {
    const key = Buffer.alloc(API_KEY_BYTES, byte);
    const text = encodeApiKey(key);
    expect(text).toHaveLength(99);
    expect(text).toBe(sealed(text.slice(0, -6)));
    expect(decodeApiKey(text)?.equals(key)).toBe(true);
  });

  it('is refused with any one character changed', () => {
    const text = encodeApiKey(randomBytes(API_KEY_BYTES));
    for (let at = 0; at < text.length; at++) {
      for (const character of `${ALPHABET}_- é`) {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        if (changed !== text) expect(decodeApiKey(changed)).toBeUndefined();
      }
    }
  });

  it('is refused with a character added, removed or swapped with its neighbour', () => {
    fc.assert(
      fc.property(bytes, fc.nat(98), fc.constantFrom(...ALPHABET), (key, at, character) => {
        const text = encodeApiKey(key);
        const swapped = text.slice(0, at) + (text[at + 1] ?? '') + (text[at] ?? '') + text.slice(at + 2);
        expect(decodeApiKey(text.slice(0, at) + character + text.slice(at))).toBeUndefined();
        expect(decodeApiKey(text.slice(0, at) + text.slice(at + 1))).toBeUndefined();
        if (swapped !== text) expect(decodeApiKey(swapped)).toBeUndefined();
      }),
    );
    expect(decodeApiKey(`${encodeApiKey(randomBytes(API_KEY_BYTES))}\n`)).toBeUndefined();
  });

  it('cannot be a number past the last key, even with a right checksum', () => {
    const last = encodeApiKey(Buffer.alloc(API_KEY_BYTES, 0xff)).slice(0, -6);
    expect(decodeApiKey(sealed(last))).toBeDefined();
    expect(decodeApiKey(sealed(`tnt_${'z'.repeat(89)}`))).toBeUndefined();
    // The next number after the last key: its final digit is not the alphabet's last, so it can be counted up by hand.
    const next = last.slice(0, -1) + ALPHABET.charAt(ALPHABET.indexOf(last.slice(-1)) + 1);
    expect(last.slice(-1)).not.toBe('z');
    expect(decodeApiKey(sealed(next))).toBeUndefined();
  });

  it('never makes the reader throw, whatever it is', () => {
    const nearKey = fc
      .string({ unit: fc.constantFrom(...ALPHABET, '_', ' ', 'é', '😀'), minLength: 90, maxLength: 100 })
      .map((tail) => `tnt_${tail}`);
    const rightChecksum = fc
      .string({ unit: fc.constantFrom(...ALPHABET), minLength: 89, maxLength: 89 })
      .map((body) => sealed(`tnt_${body}`));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 120 }), nearKey, rightChecksum), (text) => {
        const key = decodeApiKey(text);
        if (key) expect(encodeApiKey(key)).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('is written for exactly 66 bytes', () => {
    expect(() => encodeApiKey(Buffer.alloc(65))).toThrow(RangeError);
  });
});
