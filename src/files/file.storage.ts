import path from 'node:path';
import { Inject } from '@nestjs/common';
import type { Env } from '../env/index.js';
import { objectStorage, type StorageUse } from '../storage/index.js';
import { FileStoreFailed } from './file.errors.js';

/** Injection token of the store of files: of all tenants, by the ids of tenant and file. */
export const FILE_STORAGE = Symbol('FILE_STORAGE');
export const InjectFileStorage = (): ParameterDecorator => Inject(FILE_STORAGE);

export const FILE_USE: StorageUse = {
  suffix: '',
  name: 'Files',
  // As small as S3 lets them be: many uploads go on at once.
  partBytes: 5 * 2 ** 20,
  failed: (trouble, why, cause) => new FileStoreFailed(`${trouble}: ${why}`, cause),
};

/** Below `t/`, so that there is room for others beside the files of tenants. */
export async function fileStorage({ filesDir, filesBucket }: Pick<Env, 'filesDir' | 'filesBucket'>) {
  const bucket = filesBucket && { ...filesBucket, prefix: `${filesBucket.prefix}t/` };
  const folder = filesDir === undefined ? undefined : path.join(filesDir, 't');
  const storage = await objectStorage({ bucket, folder }, FILE_USE);
  if (!storage) throw new Error('Files are neither in a folder nor in a bucket.');
  return storage;
}
