import path from 'node:path';
import type { EnvReader, Variable } from '../env.reader.js';

/** Where backups are in an S3 store. */
export interface BackupBucket {
  bucket: string;
  region: string;
  /** Unset: that of AWS in the region. */
  endpoint: string | undefined;
  accessKeyId: string;
  secretAccessKey: string;
  /** Before every name; empty, or with a slash at its end. */
  prefix: string;
  /** Whether the bucket is in the path of a URL, not in its host. */
  forcePathStyle: boolean;
}

/** Backups of tenants: in a folder, in a bucket, or, when neither is set, none. */
export interface BackupsEnv {
  backupDir: string | undefined;
  backupBucket: BackupBucket | undefined;
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
  {
    name: 'BACKUP_S3_BUCKET',
    example: '',
    allowed: 'the name of a bucket of 3 to 63 small letters, digits, dots and hyphens; not together with BACKUP_DIR',
    about: 'the bucket of an S3 store in which backups of tenants are kept, encrypted under MASTER_KEY',
  },
  {
    name: 'BACKUP_S3_ENDPOINT',
    example: '',
    allowed: 'https://host[:port] or http://host[:port]',
    about: 'where the S3 store is; unset: AWS, in BACKUP_S3_REGION',
  },
  {
    name: 'BACKUP_S3_REGION',
    example: '',
    allowed: 'a region such as eu-central-1; may be left out with BACKUP_S3_ENDPOINT, for us-east-1',
    about: 'the region of the bucket, which is part of every signature',
  },
  {
    name: 'BACKUP_S3_ACCESS_KEY_ID',
    example: '',
    allowed: 'the id of an access key',
    about: 'who the S3 store is told that this is',
  },
  {
    name: 'BACKUP_S3_SECRET_ACCESS_KEY',
    example: '',
    allowed: 'the secret of that access key',
    about: 'what requests to the S3 store are signed with; it is never sent',
  },
  {
    name: 'BACKUP_S3_PREFIX',
    example: '',
    allowed: 'letters, digits, and . _ - /',
    about: 'what comes before every name in the bucket, when it holds other things, too',
  },
  {
    name: 'BACKUP_S3_FORCE_PATH_STYLE',
    example: '',
    allowed: 'on or off',
    about:
      'whether the bucket is in the path of a URL and not in its host; default on with BACKUP_S3_ENDPOINT, else off',
  },
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
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9-]{1,64}$/i;
const PREFIX = /^[\w./-]{1,200}$/;
const NEEDED = ['BACKUP_S3_BUCKET', 'BACKUP_S3_ACCESS_KEY_ID', 'BACKUP_S3_SECRET_ACCESS_KEY'] as const;
const OPTIONAL = ['BACKUP_S3_ENDPOINT', 'BACKUP_S3_REGION', 'BACKUP_S3_PREFIX', 'BACKUP_S3_FORCE_PATH_STYLE'] as const;

export function readBackups(from: EnvReader, cwd: string): BackupsEnv {
  const dir = from.text('BACKUP_DIR');
  const bucket = readBucket(from);
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

/** All of it or nothing: with half of it nobody would have backups, and nobody would know. */
function readBucket(from: EnvReader): BackupBucket | undefined {
  const [bucket, accessKeyId, secretAccessKey] = NEEDED.map((name) => from.text(name));
  const endpoint = from.url('BACKUP_S3_ENDPOINT', ['http:', 'https:']);
  const forcePathStyle = from.onOrOff('BACKUP_S3_FORCE_PATH_STYLE', endpoint !== undefined);
  const set = [...NEEDED, ...OPTIONAL].filter((name) => from.text(name) !== undefined);
  if (set.length === 0) return undefined;
  const missing: string[] = NEEDED.filter((name) => from.text(name) === undefined);
  const region = from.text('BACKUP_S3_REGION');
  if (region === undefined && from.text('BACKUP_S3_ENDPOINT') === undefined) missing.push('BACKUP_S3_REGION');
  if (missing.length > 0) {
    from.problem(`With ${set.join(', ')} also set ${missing.join(', ')}; or none of them, and there is no bucket.`);
  }
  if (endpoint !== undefined && !isOrigin(endpoint)) from.wrong('BACKUP_S3_ENDPOINT');
  const prefix = from.text('BACKUP_S3_PREFIX') ?? '';
  if (bucket !== undefined && !BUCKET.test(bucket)) from.wrong('BACKUP_S3_BUCKET');
  if (region !== undefined && !REGION.test(region)) from.wrong('BACKUP_S3_REGION');
  if (prefix !== '' && !PREFIX.test(prefix)) from.wrong('BACKUP_S3_PREFIX');
  if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const folders = prefix.split('/').filter((folder) => folder !== '');
  return {
    bucket,
    region: region ?? 'us-east-1',
    endpoint,
    accessKeyId,
    secretAccessKey,
    prefix: folders.map((folder) => `${folder}/`).join(''),
    forcePathStyle,
  };
}

/** Without a path, which the bucket is, and without a password, which belongs into no URL. */
function isOrigin(url: string): boolean {
  const { origin, href } = new URL(url);
  return href === `${origin}/`;
}
