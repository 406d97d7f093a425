import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPassword } from './password.policy.js';

const jane = { email: 'jane.doe@acme.example', name: 'Jane van Doe', tenantName: 'Acme Rockets & Sons' };
const complaints = (password: string) => checkPassword(password, jane).map(({ detail }) => detail);

describe('the password policy', () => {
  it.each([
    'correct horse battery staple',
    'tiefer graben',
    'vF9!kq2#Lw',
    'пароль из четырёх слов',
    '馬電池正しいホチキス確認',
    '😀🎉🚀🌍🍕🎸🐙🦊🌵🔑',
    'a1b2c3d4e5 and then some',
    // Whole passwords are compared: words inside a longer one do no harm.
    'dragon 83920174839201',
    'jane rides a purple bicycle',
    'my rockets never explode twice',
  ])('takes %s', (password) => {
    expect(complaints(password)).toEqual([]);
  });

  it.each([
    ['', 'at least 10'],
    ['short 1!a', 'at least 10'],
    ['😀🎉🚀🌍🍕🎸🐙🦊🌵', 'at least 10'],
    ['correct horse battery staple '.repeat(36), 'at most 1024 bytes'],
    ['aaaaaaaaaaaaaaaa', 'different'],
    ['AbAbaBABabab', 'different'],
    ['qwertyuiop', 'tried first'],
    ['QwertyUIOP', 'tried first'],
    ['1q2w3e4r5t', 'tried first'],
    ['Password123', 'tried first'],
    ['Password2031!', 'tried first'],
    ['!!password!!', 'tried first'],
    ['jane.doe@acme.example', 'email address'],
    ['Jane.Doe@ACME.example!', 'email address'],
    ['JaneVanDoe', 'email address'],
    ['jane-doe-1985', 'email address'],
    ['85_jane.doe', 'email address'],
    ['AcmeRockets&Sons', 'email address'],
    ['rockets!2031', 'email address'],
    ['bad \ud800 surrogate', 'valid Unicode'],
  ])('refuses %s: %s', (password, why) => {
    expect(complaints(password)).toContainEqual(expect.stringContaining(why));
  });

  it('counts a character once, however it was typed', () => {
    expect(complaints('é1ü2ö3ä4ñ'.normalize('NFD'))).toEqual(['must have at least 10 characters']);
    expect(complaints('é1ü2ö3ä4ñ5'.normalize('NFD'))).toEqual([]);
  });

  it('points at the field it is told', () => {
    expect(checkPassword('x', jane, '/new_password')[0]?.pointer).toBe('/new_password');
  });

  it('judges the same of any case, and of anything at all without throwing', () => {
    const ascii = fc.string({ minLength: 10, maxLength: 40 });
    fc.assert(
      fc.property(ascii, (password) => {
        expect(complaints(password.toUpperCase())).toEqual(complaints(password.toLowerCase()));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), fc.string({ unit: 'binary' }), (password, text) => {
        checkPassword(password, { email: text, name: text, tenantName: text });
      }),
    );
  });

  it('looks at nothing else of what is too long', () => {
    expect(complaints('1'.repeat(200_000))).toEqual(['must be at most 1024 bytes in UTF-8']);
  });

  it('asks no more of a person without a name', () => {
    expect(checkPassword('vF9!kq2#Lw', { email: 'x@acme.example', tenantName: '' })).toEqual([]);
  });
});
