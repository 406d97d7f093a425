import { AppError } from '../common/index.js';

/** @throws AppError 400 for anything but printable ASCII of a sensible length */
export function checkKey(key: string): void {
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return;
  throw new AppError({
    status: 400,
    code: 'idempotency_key_malformed',
    detail: 'The Idempotency-Key must be 1 to 255 printable ASCII characters.',
    remedy: 'Use a random UUID.',
  });
}

export function inProgress(): AppError {
  return new AppError({
    status: 409,
    code: 'idempotency_in_progress',
    detail: 'A request with this Idempotency-Key is still being served.',
    remedy: 'Wait a moment and send the same request again.',
    headers: { 'Retry-After': '1' },
  });
}

export function keyReused(): AppError {
  return new AppError({
    status: 422,
    code: 'idempotency_key_reused',
    detail: 'This Idempotency-Key was used with another request body.',
    remedy: 'Use a new key for a new request, such as a random UUID.',
  });
}
