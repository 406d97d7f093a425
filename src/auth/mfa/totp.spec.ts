import fc from 'fast-check';
import { Secret, TOTP, URI } from 'otpauth';
import { describe, expect, it } from 'vitest';
import { newTotpSecret, totpUri, verifyTotp } from './totp.js';

/** The SHA-1 secret and codes of RFC 6238, appendix B, in their last six digits. */
const RFC_SECRET = new Secret({ buffer: new TextEncoder().encode('12345678901234567890').buffer }).base32;
const RFC_CODES: [seconds: number, code: string][] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
];

describe('a second factor', () => {
  it.each(RFC_CODES)('takes the code of RFC 6238 at %i s and names its step', (seconds, code) => {
    expect(verifyTotp(RFC_SECRET, code, seconds * 1000)).toBe(Math.floor(seconds / 30));
  });

  it('names the step of the code, not of the clock, so that a replay shows', () => {
    const at = 1_234_567_890;
    const step = Math.floor(at / 30);
    for (const drift of [-30, 0, 30]) expect(verifyTotp(RFC_SECRET, '005924', (at + drift) * 1000)).toBe(step);
    for (const drift of [-60, 60]) expect(verifyTotp(RFC_SECRET, '005924', (at + drift) * 1000)).toBeUndefined();
  });

  it('takes a code typed with a gap, and nothing that is not six digits', () => {
    expect(verifyTotp(RFC_SECRET, ' 287 082 ', 59_000)).toBe(1);
    for (const wrong of ['', '28708', '2870822', '94287082', '28708a', '٢٨٧٠٨٢', '-87082', '287082.0']) {
      expect(verifyTotp(RFC_SECRET, wrong, 59_000)).toBeUndefined();
    }
  });

  it("of globex is not acme's", () => {
    const [acme, globex] = [newTotpSecret(), newTotpSecret()];
    const now = Date.now();
    // Three codes of a million are right at any time; three misses in a row by chance are out of the question.
    const codes = [0, 600_000, 1_200_000].map((later) => ({
      at: now + later,
      code: new TOTP({ secret: globex }).generate({ timestamp: now + later }),
    }));
    expect(codes.every(({ at, code }) => verifyTotp(globex, code, at) !== undefined)).toBe(true);
    expect(codes.some(({ at, code }) => verifyTotp(acme, code, at) === undefined)).toBe(true);
  });

  it('has a secret of 160 bits, never twice the same', () => {
    const secrets = Array.from({ length: 100 }, newTotpSecret);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) expect(Secret.fromBase32(secret).bytes).toHaveLength(20);
  });
});

describe('the URI of an enrolment', () => {
  it('names tenant and person, escaped, with what apps assume', () => {
    const uri = totpUri(RFC_SECRET, 'Acme & Söhne: 100%', 'o+w@acme.example');
    expect(uri).toBe(
      'otpauth://totp/Acme%20%26%20S%C3%B6hne%20100%25:o%2Bw%40acme.example' +
        `?issuer=Acme%20%26%20S%C3%B6hne%20100%25&secret=${RFC_SECRET}&algorithm=SHA1&digits=6&period=30`,
    );
  });

  it('says the same to whoever reads it, whatever the tenant is called', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(name, name, (tenant, email) => {
        const query = new URL(totpUri(RFC_SECRET, `x${tenant}`, `y${email}`)).searchParams;
        expect(query.get('secret')).toBe(RFC_SECRET);
        expect([...query.keys()]).toEqual(['issuer', 'secret', 'algorithm', 'digits', 'period']);
      }),
    );
    const parsed = URI.parse(totpUri(RFC_SECRET, 'Acme: Nord', 'a:b@acme.example'));
    expect([parsed.issuer, parsed.label]).toEqual(['Acme Nord', 'a b@acme.example']);
  });
});
