import { dictionary } from '@zxcvbn-ts/language-common';
import type { FieldError } from '../../common/index.js';
import { PASSWORD_MAX_BYTES } from './password.hasher.js';

/**
 * NIST SP 800-63B-4 asks for 15 characters where a password stands alone and for 8 beside a second factor, which here
 * is a tenant's choice. Ten, together with the list and at most a few thousand guesses a day, is out of reach online,
 * and people still type it by hand; Argon2id answers for guessing offline.
 */
export const PASSWORD_MIN_CHARACTERS = 10;
const MIN_DIFFERENT_CHARACTERS = 4;
/** Shorter names turn up in anything. */
const MIN_NAME_LENGTH = 3;

// About 49,000 passwords from leaks, lower case (MIT). Loading takes 20 ms and 6 MB, once.
const COMMON = new Set(dictionary['passwords-common']);

/** What an attacker knows about the owner. */
export interface PasswordOwner {
  email: string;
  name?: string;
  tenantName: string;
}

/**
 * What is wrong with a new password; empty when nothing is. There are no rules about kinds of characters, and whole
 * passwords are compared, not words inside them (NIST SP 800-63B-4, 3.1.1.2; OWASP Authentication Cheat Sheet). "Whole"
 * forgives what everybody adds: a listed password that makes up more than half, with digits and signs around it, is
 * still that password.
 *
 * @param pointer JSON pointer of the field, for the answer
 */
export function checkPassword(password: string, owner: PasswordOwner, pointer = '/password'): FieldError[] {
  const normalised = password.normalize('NFC');
  if (Buffer.byteLength(normalised) > PASSWORD_MAX_BYTES) {
    return [{ pointer, detail: `must be at most ${PASSWORD_MAX_BYTES} bytes in UTF-8` }];
  }
  const folded = normalised.toLowerCase();
  const details: string[] = [];
  if (!normalised.isWellFormed()) details.push('must be valid Unicode text');
  if ([...normalised].length < PASSWORD_MIN_CHARACTERS) {
    details.push(`must have at least ${PASSWORD_MIN_CHARACTERS} characters`);
  }
  if (new Set(folded).size < MIN_DIFFERENT_CHARACTERS) {
    details.push(`must have at least ${MIN_DIFFERENT_CHARACTERS} different characters`);
  }
  if (isCommon(folded)) details.push('is among the passwords that are tried first');
  if (isAboutOwner(folded, owner)) {
    details.push('must not be the email address, the name or the organisation with little added');
  }
  return details.map((detail) => ({ pointer, detail }));
}

function isCommon(folded: string): boolean {
  if (COMMON.has(folded)) return true;
  const core = folded.replace(/^[^\p{L}]+/u, '').replace(/[^\p{L}]+$/u, '');
  return core.length * 2 > folded.length && COMMON.has(core);
}

function isAboutOwner(folded: string, { email, name = '', tenantName }: PasswordOwner): boolean {
  const known = [email, email.split('@')[0] ?? '', ...(email.split('@')[1] ?? '').split('.'), name, tenantName];
  const words = new Set([...known, ...name.split(/\s+/), ...tenantName.split(/\s+/)].map(bare));
  const own = bare(folded);
  return [...words].some(
    (word) => word.length >= MIN_NAME_LENGTH && own.includes(word) && word.length * 2 > own.length,
  );
}

/** Letters and digits only, so that `Jane.Doe` and `jane-doe!` are one. */
function bare(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}
