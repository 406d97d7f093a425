import { Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';
import { MAX_ROWS, STATEMENT_TIMEOUT } from '../tenancy/index.js';

/** Of one process: each counts its own. */
export const CONCURRENT_REQUESTS = declareSetting<number>({
  key: 'limits.concurrent_requests',
  description: 'Requests that a process serves at the same time; as many more wait, and others are refused.',
  type: 'integer',
  rules: [Min(1), Max(10_000)],
  allowed: 'an integer from 1 to 10,000',
  default: 32,
  changedBy: 'platform',
  byPlan: true,
});

/** Read by the kernel, where a transaction of the tenant begins. */
export const STATEMENT_TIMEOUT_MS = declareSetting<number>({
  key: STATEMENT_TIMEOUT.key,
  description: 'How long one statement may take in the database, in ms.',
  type: 'integer',
  rules: [Min(STATEMENT_TIMEOUT.min), Max(STATEMENT_TIMEOUT.max)],
  allowed: 'an integer from 100 to 600,000',
  default: STATEMENT_TIMEOUT.default,
  changedBy: 'platform',
  byPlan: true,
});

/** Read by the kernel, in repositories. */
export const ROWS_AT_ONCE = declareSetting<number>({
  key: MAX_ROWS.key,
  description: 'Rows that one query may read; more have to be asked for in pages.',
  type: 'integer',
  rules: [Min(MAX_ROWS.min), Max(MAX_ROWS.max)],
  allowed: 'an integer from 2,000 to 1,000,000',
  default: MAX_ROWS.default,
  changedBy: 'platform',
  byPlan: true,
});
