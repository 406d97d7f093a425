import { ArrayMaxSize, Matches, Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';

const MIB = 2 ** 20;
/** As much an upload to S3 can have in parts of 5 MiB, and not more than a client sends in a day. */
const MOST_FILE_BYTES = 5 * 1024 * MIB;

export const FILE_MAX_BYTES = declareSetting<number>({
  key: 'files.max_bytes',
  description: 'The bytes that one file may have.',
  type: 'integer',
  rules: [Min(1), Max(MOST_FILE_BYTES)],
  allowed: `an integer from 1 to ${MOST_FILE_BYTES} (5 GiB)`,
  default: 10 * MIB,
  changedBy: 'platform',
  byPlan: true,
});

export const FILE_QUOTA_BYTES = declareSetting<number>({
  key: 'files.quota_bytes',
  description: 'The bytes that all files together may have.',
  type: 'integer',
  rules: [Min(0), Max(2 ** 50)],
  allowed: 'an integer from 0 to 1125899906842624 (1 PiB)',
  default: 1024 * MIB,
  changedBy: 'platform',
  byPlan: true,
});

export const FILE_MAX_COUNT = declareSetting<number>({
  key: 'files.max_count',
  description: 'How many files there may be.',
  type: 'integer',
  rules: [Min(0), Max(10_000_000)],
  allowed: 'an integer from 0 to 10,000,000',
  default: 10_000,
  changedBy: 'platform',
  byPlan: true,
});

export const FILE_TYPES = declareSetting<string[]>({
  key: 'files.types',
  description: 'The types that uploads may have, such as image/* or application/pdf; empty: all.',
  type: 'array',
  rules: [ArrayMaxSize(100), Matches(/^[a-z]{1,20}\/(\*|[a-z0-9][\w.+-]{0,100})$/, { each: true })],
  allowed: 'a list of at most 100 media types, in small letters, or of groups of them such as image/*',
  default: [],
  changedBy: 'admin',
  byPlan: true,
  schema: { items: { type: 'string' } },
});
