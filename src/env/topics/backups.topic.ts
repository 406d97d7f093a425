import path from 'node:path';
import type { EnvReader, Variable } from '../env.reader.js';
import { type Bucket, bucketVariables, readBucket } from './bucket.js';

/** Backups of tenants: in a folder, in a bucket, or, when neither is set, none. */
export interface BackupsEnv {
  backupDir: string | undefined;
  backupBucket: Bucket | undefined;
  /** Cron expression, in UTC; unset: only those that are asked for. */
  backupSchedule: string | undefined;
  /** How long backups are kept, in days. */
  backupKeepDays: number;
}

export const BACKUPS_VARIABLES: readonly Variable[] = [
  {
    name: 'BACKUP_DIR',
    example: '',
    allowed: 'a folder that all processes share, on other disks than the database',
    about: 'where backups of tenants are written, encrypted under MASTER_KEY; neither this nor a bucket: none are made',
  },
  ...bucketVariables('BACKUP', {
    beside: 'BACKUP_DIR',
    about: 'the bucket of an S3 store in which backups of tenants are kept, encrypted under MASTER_KEY',
  }),
  {
    name: 'BACKUP_SCHEDULE',
    example: '',
    allowed: 'a cron expression of five fields, in UTC, such as 17 2 * * *; needs BACKUP_DIR or BACKUP_S3_BUCKET',
    about: 'when all tenants are backed up; unset: only when somebody asks for it',
  },
  {
    name: 'BACKUP_KEEP_DAYS',
    example: '30',
    allowed: 'an integer from 1 to 3650',
    about: "days for which backups are kept; each tenant's last good one is, for as long as the tenant is",
  },
];

/** Numbers and names with lists, ranges and steps; what else is wrong with it the job engine says at the start. */
const CRON = /^[\d*,/a-z-]+( +[\d*,/a-z-]+){4}$/i;

export function readBackups(from: EnvReader, cwd: string): BackupsEnv {
  const dir = from.text('BACKUP_DIR');
  const bucket = readBucket(from, 'BACKUP');
  const schedule = from.text('BACKUP_SCHEDULE');
  if (dir !== undefined && from.text('BACKUP_S3_BUCKET') !== undefined) {
    from.problem('BACKUP_DIR and BACKUP_S3_BUCKET are both set: unset one of them, backups are kept in one place.');
  }
  if (schedule !== undefined && !CRON.test(schedule)) from.wrong('BACKUP_SCHEDULE');
  if (schedule !== undefined && dir === undefined && from.text('BACKUP_S3_BUCKET') === undefined) {
    from.problem('BACKUP_SCHEDULE needs BACKUP_DIR or BACKUP_S3_BUCKET.');
  }
  return {
    backupDir: dir === undefined ? undefined : path.resolve(cwd, dir),
    backupBucket: bucket,
    backupSchedule: schedule,
    backupKeepDays: from.integer('BACKUP_KEEP_DAYS', 30, 1, 3650),
  };
}
