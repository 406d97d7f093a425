/** Longest address in characters (RFC 5321, section 4.5.3.1). */
export const MAX_EMAIL = 254;

/** What two spellings of one address have in common: Unicode form and case. The local part is not otherwise touched. */
export function emailKey(email: string): string {
  return email.trim().normalize('NFKC').toLowerCase();
}
