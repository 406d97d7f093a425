import { S3ServiceException } from '@aws-sdk/client-s3';
import { AppError } from '../common/index.js';
import type { StorageUse } from './object.storage.js';

/** Buckets that are not there, and those that are in another region than was said. */
const BUCKET = new Set(['NoSuchBucket', 'PermanentRedirect', 'AuthorizationHeaderMalformed', 'InvalidBucketName']);

/** What the store answered, as something that an operator can act on. What was sent, and its signature, is not in it. */
export function storeFailure(use: StorageUse, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error)) return use.failed('failed', String(error));
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const said = `${error.name}: ${error.message}`;
  if (status === undefined) return use.failed('away', said, error);
  if (BUCKET.has(error.name)) return use.failed('bucket_missing', said, error);
  if (status === 401 || status === 403) return use.failed('refused', said, error);
  if (status >= 500 || status === 429) return use.failed('away', said, error);
  return use.failed('failed', said, error);
}

export function isNamed(error: unknown, ...names: string[]): boolean {
  return error instanceof S3ServiceException && names.includes(error.name);
}
