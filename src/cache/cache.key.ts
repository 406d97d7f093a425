/** Longest key, in characters. */
const MAX_LENGTH = 1024;

/**
 * `t:{tenant}:{namespace}:{key}`. No part can pass for two, whatever it holds: separators inside of one are escaped, and so
 * are halves of surrogate pairs, which would all become the same character on their way to Redis.
 *
 * @throws RangeError when the key is longer than 1,024 characters
 */
export function cacheKey(tenantId: string, namespace: string, key: string): string {
  if (key.length > MAX_LENGTH) throw new RangeError(`A key of the cache has at most ${MAX_LENGTH} characters.`);
  return `t:${escape(tenantId)}:${escape(namespace)}:${escape(key)}`;
}

/** The parts of a {@link cacheKey}: whose it is, and what is left. Both are still escaped. */
export function partsOf(key: string): { tenant: string; field: string } {
  const end = key.indexOf(':', 2);
  return { tenant: key.slice(2, end), field: key.slice(end + 1) };
}

function escape(part: string): string {
  return part.replace(/[%:\ud800-\udfff]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
