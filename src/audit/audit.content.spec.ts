import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bounded,
  contentOf,
  isSecretName,
  type Json,
  type JsonObject,
  MAX_CONTENT_BYTES,
  plain,
  storableText,
} from './audit.content.js';

const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const after = (value: unknown): Json | null => contentOf(undefined, value).after;

describe('secrets', () => {
  it.each([
    ...['password', 'newPassword', 'password_hash', 'PASSWORD', 'passwd', 'passphrase', 'client_secret', 'secretKey'],
    ...['token', 'accessToken', 'refresh_token', 'reset-token', 'tokenHash', 'idTokens', 'mfa_token'],
    ...['hash', 'email_hash', 'keyHash', 'key', 'apiKey', 'api_key', 'apikey', 'private-key', 'signing.key'],
    ...['recovery', 'recoveryCodes', 'recovery_codes', 'totp', 'otp', 'pin', 'salt', 'cookie', 'Authorization'],
    ...['credential', 'smtp.credentials', 'signature', 'HMACKey'],
  ])('are told by the name %s', (name) => expect(isSecretName(name)).toBe(true));

  it.each(['name', 'email', 'monkey', 'keyboard', 'hashtag', 'spinner', 'role', 'expires_at', 'machine', 'opinion'])(
    'are not seen in the name %s',
    (name) => expect(isSecretName(name)).toBe(false),
  );

  it('are removed at any depth, lists and maps included, with all that stands beneath them', () => {
    const value = {
      name: 'Ada',
      password: 's3cret-1',
      profile: { apiKeys: [{ id: 1, value: 's3cret-2' }], factors: [{ kind: 'totp', secret: 's3cret-3' }] },
      settings: new Map([['smtp.password', 's3cret-4']]),
    };
    expect(after(value)).toEqual({
      name: 'Ada',
      password: '[removed]',
      profile: { apiKeys: '[removed]', factors: [{ kind: 'totp', secret: '[removed]' }] },
      settings: { 'smtp.password': '[removed]' },
    });
  });

  it('never survive, whatever they are wrapped in', () => {
    const wrapped = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constant({ password: 'S3CRET', token: ['S3CRET'], keyHash: { deep: 'S3CRET' } }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(wrapped, wrapped, (before, now) => {
        expect(JSON.stringify(contentOf(before, now))).not.toContain('S3CRET');
      }),
    );
  });

  it('that changed show that they did, and those that did not are left out', () => {
    const before = { password_hash: 'old', mfa_secret: 'same', name: 'Ada' };
    expect(contentOf(before, { ...before, password_hash: 'new' })).toEqual({
      before: { password_hash: '[removed]' },
      after: { password_hash: '[removed]' },
    });
  });
});

describe('a change', () => {
  it('is stored as the fields that differ, nested ones included', () => {
    const changed = contentOf(
      { name: 'Ada', role: 'member', gone: 1, settings: { a: 1, b: [1, 2] }, at: new Date(0) },
      { name: 'Ada', role: 'admin', fresh: 2, settings: { a: 1, b: [2, 1] }, at: new Date(0) },
    );
    expect(changed).toEqual({
      before: { role: 'member', gone: 1, settings: { b: [1, 2] } },
      after: { role: 'admin', fresh: 2, settings: { b: [2, 1] } },
    });
  });

  it('of one side only is stored whole', () => {
    expect(contentOf(undefined, { name: 'Ada' })).toEqual({ before: null, after: { name: 'Ada' } });
    expect(contentOf({ name: 'Ada' }, undefined)).toEqual({ before: { name: 'Ada' }, after: null });
  });

  it('takes a field named __proto__ for a field like any other', () => {
    const now = JSON.parse('{"__proto__":{"password":"S3CRET","x":1}}') as unknown;
    expect(JSON.stringify(after(now))).toBe('{"__proto__":{"password":"[removed]","x":1}}');
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe('what is stored', () => {
  it('stays within its size and keeps the small fields when one is too large', () => {
    const stored = after({ name: 'Ada', text: '😀'.repeat(5000), list: Array(3000).fill('x'), role: 'admin' });
    expect(bytes(stored)).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
    expect(stored).toMatchObject({ name: 'Ada', role: 'admin' });
    expect((stored as JsonObject)['text']).toMatch(/^😀{99}\uFFFD…\[truncated: 20002 bytes\]$/u);
  });

  it('says how many fields it leaves out', () => {
    const stored = after(Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`field_${n}`, n]))) as JsonObject;
    expect(bytes(stored)).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
    expect(stored['[truncated]']).toBe(`${900 - Object.keys(stored).length + 1} more fields`);
  });

  it('is bounded and storable for any value at all', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), (value) => {
        const stored = after(value);
        expect(bytes(stored)).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
        expect(JSON.stringify(stored)).not.toMatch(/\\u0000|\\ud[89a-f]/i);
      }),
    );
    const large = fc.oneof(fc.string({ unit: 'binary', maxLength: 9000 }), fc.array(fc.string(), { minLength: 500 }));
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), large), large, (value, alone) => {
        for (const each of [value, alone, { nested: value }]) {
          expect(bytes(after(each))).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('takes a Map whose key has no text', () => {
    expect(
      after(
        new Map<unknown, unknown>([
          [Object.create(null), 1],
          [Symbol('s'), 2],
        ]),
      ),
    ).toEqual({
      '[object]': 1,
      'Symbol(s)': 2,
    });
  });

  it('ends for cycles, depth and breadth', () => {
    const cycle: Record<string, unknown> = { name: 'Ada' };
    cycle['self'] = cycle;
    let deep: unknown = 1;
    for (let n = 0; n < 100_000; n += 1) deep = [deep];
    const broad = Array.from({ length: 1000 }, () => Array.from({ length: 1000 }, () => [1]));
    for (const value of [cycle, deep, broad]) expect(bytes(after(value))).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
    expect(JSON.stringify(plain(cycle))).toContain('too deep');
  });

  it('has bytes counted, dates as text and nothing that is undefined', () => {
    const value = { hashed: Buffer.from('secret'), at: new Date(0), none: undefined, big: 10n, nan: NaN, call() {} };
    expect(plain(value)).toEqual({ hashed: '[6 bytes]', at: '1970-01-01T00:00:00.000Z', big: '10', nan: 'NaN' });
    expect(storableText('a\0b\ud800', 10)).toBe('a\uFFFDb\uFFFD');
    expect(bounded('x'.repeat(9000))).toMatch(/truncated: 9002 bytes/);
  });
});
