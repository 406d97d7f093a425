import { Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';

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
