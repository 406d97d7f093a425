import type { Bucket } from '../env/index.js';
import { DirectoryStorage } from './directory.storage.js';
import type { ObjectStorage, StorageUse } from './object.storage.js';

/** A folder that all processes share, or a bucket. */
export interface StoragePlace {
  folder?: string | undefined;
  bucket?: Bucket | undefined;
}

/** @returns undefined when there is neither. The client of S3 is loaded only where there is a bucket. */
export async function objectStorage({ folder, bucket }: StoragePlace, use: StorageUse) {
  if (bucket) {
    const { S3Storage } = await import('./s3.storage.js');
    return new S3Storage(bucket, use) as ObjectStorage;
  }
  return folder === undefined ? undefined : (new DirectoryStorage(folder, use) as ObjectStorage);
}
