/** The tag of a revision: it changes by edits alone. */
export function etagOf(revision: number): string {
  return `"r${revision}"`;
}

/**
 * @param header If-Match as it came (RFC 9110, section 13.1.1)
 * @returns the revision asked for; undefined for none or any; a revision that nothing has for a tag that is not ours
 */
export function revisionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^\s*"r(\d{1,9})"\s*$/.exec(header);
  return match ? Number(match[1]) : -1;
}
