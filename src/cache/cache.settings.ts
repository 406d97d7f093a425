import { Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';

/** What the cache holds of the tenant at most: in each process, or in Redis. */
export const CACHE_MAX_BYTES = declareSetting<number>({
  key: 'cache.max_bytes',
  description: 'Bytes that the cache holds of the tenant at most, in each process, or in Redis for all of them.',
  type: 'integer',
  rules: [Min(0), Max(67_108_864)],
  allowed: 'an integer from 0 to 67,108,864',
  default: 1_048_576,
  changedBy: 'platform',
  byPlan: true,
});

/** Entries of one tenant, however small. */
export const MAX_ENTRIES = 10_000;
