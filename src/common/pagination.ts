import { AppError } from './app.error.js';

/** One page of a list, as clients see it. */
export interface Page<T> {
  items: T[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** The query parameter `limit`. @throws AppError 422 for anything but an integer from 1 to `max` */
export function parseLimit(value: unknown, fallback: number, max: number): number {
  if (value === undefined) return fallback;
  const limit = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > max) {
    throw new AppError({
      status: 422,
      code: 'limit_invalid',
      detail: `limit must be an integer from 1 to ${max}.`,
      remedy: 'Correct the query parameter and send the request again.',
    });
  }
  return limit;
}

/** 422: the cursor was changed, or is of another list or tenant. */
export class CursorInvalid extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'cursor_invalid',
      detail: 'This cursor does not belong to this list.',
      remedy: 'Start without a cursor, then pass next_cursor as it came.',
    });
  }
}
