import { randomBytes } from 'node:crypto';
import { sha256 } from '../../common/index.js';

/** 32 signs, 5 bits each, none of which is mistaken for another on paper (no 0, O, 1, I). */
const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const CODES = 10;
const LENGTH = 16;
const GROUP = 4;

/** Ten codes of 80 random bits, as `XXXX-XXXX-XXXX-XXXX`: shown once, each good for one sign-in. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => {
    // 256 is a multiple of 32, so every sign is equally likely.
    const signs = Array.from(randomBytes(LENGTH), (byte) => ALPHABET.charAt(byte % ALPHABET.length));
    return Array.from({ length: LENGTH / GROUP }, (_, group) =>
      signs.slice(group * GROUP, (group + 1) * GROUP).join(''),
    ).join('-');
  });
}

/**
 * The form in which a code is stored and looked up. Plain SHA-256 holds because nobody can try 2^80 codes, and because
 * the owner is part of it: one try counts against one person's ten codes, never against everybody's.
 *
 * @param userId owner of the code
 * @param code as typed: case, gaps and hyphens do not matter
 * @returns 32 bytes, or undefined if this cannot be a code
 */
export function recoveryCodeHash(userId: string, code: string): Buffer | undefined {
  if (code.length > LENGTH * 4) return undefined;
  const signs = code.replaceAll(/[\s\p{Pd}]/gu, '');
  if (signs.length !== LENGTH || !/^[2-9A-HJ-NP-Z]+$/i.test(signs)) return undefined;
  return sha256(`recovery-code:${userId}:${signs.toUpperCase()}`);
}
