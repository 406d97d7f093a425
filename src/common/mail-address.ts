const MAX_NAME = 100;
/** One mailbox, unquoted (RFC 5321, section 4.1.2), letters of any script allowed (RFC 6531). */
const ADDRESS = /^[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]{1,64}@[\p{L}\p{N}]([\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u;
// Control characters would start a new header or paragraph; bidirectional ones make text read other than it is.
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Whether it is exactly one mail address that can be written to. */
export function isMailAddress(address: string): boolean {
  return address.length <= 254 && ADDRESS.test(address) && !/\.\.|^\.|\.@/.test(address);
}

/** Text that people wrote, fit for one line of a mail or page: nothing invisible, at most `max` characters. */
export function oneLine(text: string, max = MAX_NAME): string {
  const line = text.toWellFormed().replaceAll(INVISIBLE, ' ').replaceAll(/ {2,}/g, ' ').trim();
  const characters = [...line];
  return characters.length <= max ? line : `${characters.slice(0, max - 1).join('')}…`;
}
