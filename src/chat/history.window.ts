import type { Turn } from './model.provider.js';

/**
 * As many of the latest messages as fit, whole, beginning with one of the user: models refuse a conversation that begins
 * with an answer.
 *
 * @param newestFirst messages
 * @param maxBytes of UTF-8, of all together
 * @returns oldest first
 */
export function latest(newestFirst: readonly Turn[], maxBytes: number): Turn[] {
  const kept: Turn[] = [];
  let bytes = 0;
  for (const turn of newestFirst) {
    bytes += Buffer.byteLength(turn.content);
    if (bytes > maxBytes) break;
    kept.push(turn);
  }
  kept.reverse();
  const first = kept.findIndex(({ role }) => role === 'user');
  return first === -1 ? [] : kept.slice(first);
}
