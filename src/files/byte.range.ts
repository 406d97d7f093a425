import type { ByteRange } from '../storage/index.js';
import { RangeNotSatisfiable } from './file.errors.js';

/**
 * What a Range header asks for (RFC 9110, section 14.2).
 *
 * @param bytes of the whole
 * @returns undefined for the whole: several ranges, other units and what is malformed may be ignored
 * @throws RangeNotSatisfiable
 */
export function byteRange(header: string | undefined, bytes: number): ByteRange | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') {
    if (Number(to) === 0 || bytes === 0) throw new RangeNotSatisfiable(bytes);
    return { first: Math.max(0, bytes - Number(to)), last: bytes - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return undefined;
  if (first >= bytes) throw new RangeNotSatisfiable(bytes);
  return { first, last: to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1) };
}
