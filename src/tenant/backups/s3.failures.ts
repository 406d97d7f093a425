import { S3ServiceException } from '@aws-sdk/client-s3';
import { BackupStoreFailed } from './backup.errors.js';

/** Buckets that are not there, and those that are in another region than was said. */
const BUCKET = new Set(['NoSuchBucket', 'PermanentRedirect', 'AuthorizationHeaderMalformed', 'InvalidBucketName']);

/** What the store answered, as something that an operator can act on. What was sent, and its signature, is not in it. */
export function storeFailure(error: unknown): BackupStoreFailed {
  if (error instanceof BackupStoreFailed) return error;
  if (!(error instanceof Error)) return new BackupStoreFailed('backup_store_failed', String(error));
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const said = `${error.name}: ${error.message}`;
  if (status === undefined) return new BackupStoreFailed('backup_store_away', said, error);
  if (BUCKET.has(error.name)) return new BackupStoreFailed('backup_bucket_missing', said, error);
  if (status === 401 || status === 403) return new BackupStoreFailed('backup_store_refused', said, error);
  if (status >= 500 || status === 429) return new BackupStoreFailed('backup_store_away', said, error);
  return new BackupStoreFailed('backup_store_failed', said, error);
}

export function isNamed(error: unknown, ...names: string[]): boolean {
  return error instanceof S3ServiceException && names.includes(error.name);
}
