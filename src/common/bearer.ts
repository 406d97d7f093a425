/** Bytes; longer ones are no credential of ours. */
const MAX_HEADER = 8192;

/** What an Authorization header says of a bearer credential (RFC 6750, section 2.1). */
export type Bearer = { kind: 'absent' } | { kind: 'malformed' } | { kind: 'text'; text: string };

const ABSENT: Bearer = { kind: 'absent' };
const MALFORMED: Bearer = { kind: 'malformed' };

/**
 * The one reading of the header: were it absent to one reader and present to another, a caller could be a visitor to the
 * guard and somebody known to the limits.
 */
export function bearerOf(header: string | undefined): Bearer {
  if (header === undefined || !/^Bearer(?![\w-])/i.test(header)) return ABSENT;
  if (header.length > MAX_HEADER) return MALFORMED;
  const text = /^Bearer +([\w.~+/=-]+) *$/i.exec(header)?.[1];
  return text === undefined ? MALFORMED : { kind: 'text', text };
}
