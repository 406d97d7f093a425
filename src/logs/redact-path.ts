const SESSION_IN_PATH = /(\/api\/sessions\/)(?!current(?:\/|$))[^/?#]+/i;

/** The path without credentials or query, for logs and for `instance`. */
export function redactPath(url: string): string {
  const end = url.search(/[?#]/);
  return (end === -1 ? url : url.slice(0, end)).replace(SESSION_IN_PATH, '$1[redacted]');
}
