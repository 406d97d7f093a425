import path from 'node:path';
import type { EnvReader, Variable } from '../env.reader.js';
import { type Bucket, bucketVariables, readBucket } from './bucket.js';

/** Files of tenants: in a folder, or in a bucket. */
export interface FilesEnv {
  /** Undefined when there is a bucket. */
  filesDir: string | undefined;
  filesBucket: Bucket | undefined;
}

export const FILES_VARIABLES: readonly Variable[] = [
  {
    name: 'FILES_DIR',
    example: '',
    allowed: 'a folder that all processes share; not together with FILES_S3_BUCKET',
    about: 'where files of tenants are; unset, and without a bucket: DATA_DIR/files',
  },
  ...bucketVariables('FILES', {
    beside: 'FILES_DIR',
    about: 'the bucket of an S3 store in which files of tenants are',
  }),
];

export function readFiles(from: EnvReader, { dataDir, cwd }: { dataDir: string; cwd: string }): FilesEnv {
  const dir = from.text('FILES_DIR');
  const filesBucket = readBucket(from, 'FILES');
  if (dir !== undefined && from.text('FILES_S3_BUCKET') !== undefined) {
    from.problem('FILES_DIR and FILES_S3_BUCKET are both set: unset one of them, files are kept in one place.');
  }
  if (filesBucket) return { filesDir: undefined, filesBucket };
  return { filesDir: dir === undefined ? path.join(dataDir, 'files') : path.resolve(cwd, dir), filesBucket };
}
