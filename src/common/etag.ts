import { createHash } from 'node:crypto';
import { AppError } from './app.error.js';

/**
 * The tag of a revision: it changes by edits alone, and with what is shown beside it.
 *
 * @param beside what else the answer tells, that has no part in the revision; If-Match does not ask for it
 */
export function etagOf(revision: number, beside?: unknown): string {
  if (beside === undefined) return `"r${revision}"`;
  const hash = createHash('sha256').update(JSON.stringify(beside)).digest('base64url').slice(0, 16);
  return `"r${revision}.${hash}"`;
}

/**
 * The revision that a change is meant for.
 *
 * @param header If-Match as it came (RFC 9110, section 13.1.1)
 * @returns the revision asked for; undefined for none or any; a revision that nothing has for a tag that is not ours
 */
export function revisionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^\s*"r(\d{1,9})(?:\.[\w-]{16})?"\s*$/.exec(header);
  return match ? Number(match[1]) : -1;
}

/** 412: an If-Match names a revision that is not the present one. */
export class RevisionMismatch extends AppError {
  constructor() {
    super({
      status: 412,
      code: 'revision_mismatch',
      detail: 'It was changed since this ETag was given out.',
      remedy: 'Read it again, and repeat the change with the new ETag in If-Match.',
    });
  }
}
