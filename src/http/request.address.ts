const PREFIXED = /^\/([^/]+)(\/api(?:\/.*)?)$/i;

/** Whether no tenant can have a first path segment as its name. */
export type Reserved = (segment: string) => boolean;

export interface RequestAddress {
  path: string;
  /** With its question mark; empty if there is none. */
  query: string;
  /** The tenant that the path begins with. */
  pathSlug?: string;
  /** The path behind it. */
  rest?: string;
}

/** @param url as the request line has it @param readsPath whether a path may begin with a tenant */
export function addressOf(url: string, readsPath: boolean, isReserved: Reserved): RequestAddress {
  const [path, query] = split(url);
  const prefixed = readsPath ? PREFIXED.exec(path) : null;
  if (prefixed?.[1] && prefixed[2] && !isReserved(prefixed[1]) && !/^\/api\/admin(\/|$)/i.test(prefixed[2])) {
    return { path, query, pathSlug: prefixed[1], rest: prefixed[2] };
  }
  return { path, query };
}

function split(target: string): [string, string] {
  // A request target may be in absolute form (RFC 9112, section 3.2.2).
  const url = target.replace(/^https?:\/\/[^/?#]*/i, '') || '/';
  const at = url.indexOf('?');
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at)];
}
