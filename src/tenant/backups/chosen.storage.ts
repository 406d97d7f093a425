import type { Env } from '../../env/index.js';
import { objectStorage, type StorageUse } from '../../storage/index.js';
import type { ArchiveSpool } from '../archive/archive.spool.js';
import { BackupStoreFailed } from './backup.errors.js';
import { BackupStorage } from './backup.storage.js';

/** How backups lie in their store. With parts of that size one can have 156 GiB. */
export const BACKUP_USE: StorageUse = {
  suffix: '.tenant',
  name: 'Backups',
  partBytes: 16 * 2 ** 20,
  failed: (trouble, why, cause) => new BackupStoreFailed(trouble, why, cause),
};

/** The storage that the environment names. */
export async function backupStorage(env: Env, spool: ArchiveSpool): Promise<BackupStorage> {
  const place = { folder: env.backupDir, bucket: env.backupBucket };
  return new BackupStorage(await objectStorage(place, BACKUP_USE), spool);
}
