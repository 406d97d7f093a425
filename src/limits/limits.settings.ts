import { Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';
import { MAX_WEIGHT, WEIGHT_KEY } from '../tenancy/index.js';

const MOST = 100_000_000;
const QUOTA = {
  type: 'integer',
  rules: [Min(1), Max(MOST)],
  allowed: 'an integer from 1 to 100,000,000',
  default: undefined,
  byPlan: true,
} as const;

/** What a plan is sold with. */
export const REQUESTS_PER_HOUR = declareSetting<number | undefined>({
  ...QUOTA,
  rules: [...QUOTA.rules],
  key: 'limits.requests_per_hour',
  description: 'Requests in an hour, of all users, API keys and visitors together.',
  changedBy: 'platform',
});

/** Without it, whoever needs no account could use up what those who have one depend on. */
export const RESERVED_FOR_USERS = declareSetting<number>({
  key: 'limits.reserved_for_users_percent',
  description: 'The share of the requests in an hour that callers without an account cannot use.',
  type: 'integer',
  rules: [Min(0), Max(99)],
  allowed: 'an integer from 0 to 99',
  default: 20,
  changedBy: 'admin',
  byPlan: true,
});

export const USER_PER_MINUTE = declareSetting<number | undefined>({
  ...QUOTA,
  rules: [...QUOTA.rules],
  key: 'limits.user_per_minute',
  description: 'Requests in a minute of one user.',
  changedBy: 'admin',
});

export const API_KEY_PER_MINUTE = declareSetting<number | undefined>({
  ...QUOTA,
  rules: [...QUOTA.rules],
  key: 'limits.api_key_per_minute',
  description: 'Requests in a minute with one API key.',
  changedBy: 'admin',
});

/** Visitors have no account to hold responsible, so a tenant may want this tighter or wider. */
export const VISITOR_LIMIT = declareSetting<number>({
  key: 'limits.visitor_address_per_10s',
  description: 'Requests in 10 seconds from one address without an account.',
  type: 'integer',
  rules: [Min(1), Max(1_000_000)],
  allowed: 'an integer from 1 to 1,000,000',
  default: 300,
  changedBy: 'admin',
  byPlan: true,
});

/** Read by the kernel, in front of database connections. */
export const WEIGHT = declareSetting<number>({
  key: WEIGHT_KEY,
  description: 'The share of what tenants wait for together, such as database connections, beside that of others.',
  type: 'integer',
  rules: [Min(1), Max(MAX_WEIGHT)],
  allowed: `an integer from 1 to ${MAX_WEIGHT}`,
  default: 1,
  changedBy: 'platform',
  byPlan: true,
});
