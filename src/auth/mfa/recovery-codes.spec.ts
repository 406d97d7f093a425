import { describe, expect, it } from 'vitest';
import { newId } from '../../common/index.js';
import { newRecoveryCodes, recoveryCodeHash } from './recovery-codes.js';

describe('recovery codes', () => {
  it('are ten, of 80 bits, in signs that nobody misreads', () => {
    const codes = newRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([2-9A-HJ-NP-Z]{4}-){3}[2-9A-HJ-NP-Z]{4}$/);
  });

  it('use every sign, none favoured', () => {
    const seen = new Map<string, number>();
    const signs = Array.from({ length: 200 }, newRecoveryCodes).flat().join('').replaceAll('-', '');
    for (const sign of signs) seen.set(sign, (seen.get(sign) ?? 0) + 1);
    expect(seen.size).toBe(32);
    // 1,000 expected of each; 200 is more than six standard deviations.
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });

  it('are the same however they are typed', () => {
    const owner = newId();
    const hash = recoveryCodeHash(owner, 'ABCD-EFGH-2345-6789');
    expect(hash).toHaveLength(32);
    for (const typed of ['abcdefgh23456789', ' abcd efgh 2345 6789\n', 'ABCD–EFGH–2345–6789']) {
      expect(recoveryCodeHash(owner, typed)).toEqual(hash);
    }
    expect(recoveryCodeHash(owner, 'ABCD-EFGH-2345-6788')).not.toEqual(hash);
  });

  it("of one person are of no use in another's row", () => {
    const code = newRecoveryCodes()[0] as string;
    expect(recoveryCodeHash(newId(), code)).not.toEqual(recoveryCodeHash(newId(), code));
  });

  it('cannot hold other signs or another length', () => {
    for (const wrong of ['', 'ABCD-EFGH-2345-678', 'ABCD-EFGH-2345-67890', '0BCD-EFGH-2345-6789', 'ß'.repeat(8)]) {
      expect(recoveryCodeHash(newId(), wrong)).toBeUndefined();
    }
    expect(recoveryCodeHash(newId(), `${' '.repeat(1_000_000)}ABCDEFGH23456789`)).toBeUndefined();
  });
});
