import { AppError } from '../../common/index.js';
import type { StoreTrouble } from '../../storage/index.js';

export class BackupsOff extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'backups_off',
      detail: 'No place for backups is set up.',
      remedy: 'Set BACKUP_DIR to a folder that all processes share, or BACKUP_S3_BUCKET, and start them again.',
    });
  }
}

export class UnknownBackup extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'unknown_backup',
      detail: 'There is no such backup, or it is not made yet.',
      remedy: '"backups list" names those that there are.',
    });
  }
}

/** What is stored is not what was written. */
export class BackupDamaged extends AppError {
  constructor(id: string, why: string, cause?: unknown) {
    super({
      status: 422,
      code: 'backup_damaged',
      detail: `The backup ${id} cannot be used: ${why}.`,
      remedy: 'Make another at once, and look after the disks that hold it.',
      cause,
    });
  }
}

/** Another process took it up, or the tenant was erased meanwhile. Nothing of what this one wrote stays. */
export class BackupLost extends Error {
  constructor() {
    super('The backup is no longer for this process to make.');
    this.name = 'BackupLost';
  }
}

const STORE_REMEDIES: Record<StoreTrouble, string> = {
  away: 'It is tried again the next time. Look at BACKUP_S3_ENDPOINT, and at the way from here to there.',
  refused: 'Look at the access key in BACKUP_S3_ACCESS_KEY_ID and its secret, and at what it may do.',
  bucket_missing: 'Look at BACKUP_S3_BUCKET, BACKUP_S3_REGION and BACKUP_S3_ENDPOINT: a bucket is made by its owner.',
  failed: 'The log says what it answered.',
};
const STORE_CODES: Record<StoreTrouble, string> = {
  away: 'backup_store_away',
  refused: 'backup_store_refused',
  bucket_missing: 'backup_bucket_missing',
  failed: 'backup_store_failed',
};

/** The S3 store does not do what it is asked for. What is there already is as it was. */
export class BackupStoreFailed extends AppError {
  constructor(trouble: StoreTrouble, why: string, cause?: unknown) {
    const detail = `The store of backups cannot be used: ${why}.`;
    super({ status: 503, code: STORE_CODES[trouble], detail, remedy: STORE_REMEDIES[trouble], cause });
  }
}
