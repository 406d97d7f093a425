import type { Env } from '../../env/index.js';
import type { ArchiveSpool } from '../archive/archive.spool.js';
import type { BackupStorage } from './backup.storage.js';
import { DirectoryStorage } from './directory.storage.js';

/** The storage that the environment names. The client of S3 is loaded only where there is a bucket. */
export async function backupStorage(env: Env, spool: ArchiveSpool): Promise<BackupStorage> {
  if (!env.backupBucket) return new DirectoryStorage(env);
  const { S3Storage } = await import('./s3.storage.js');
  return new S3Storage(env.backupBucket, spool);
}
