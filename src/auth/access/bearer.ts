const MAX_HEADER = 8192;

/** The bearer credential in an Authorization header (RFC 6750, section 2.1), or undefined when there is none. */
export function bearerIn(header: string | undefined): string | undefined {
  if (!header || header.length > MAX_HEADER) return undefined;
  return /^Bearer +([\w.~+/=-]+) *$/i.exec(header)?.[1];
}
