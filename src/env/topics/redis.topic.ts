import type { EnvReader, Variable } from '../env.reader.js';

const ON_FAILURE = ['local', 'closed'] as const;

/** Whether processes share what they cache and count. */
export interface RedisEnv {
  /** Unset: each process caches and counts for itself. */
  redisUrl: string | undefined;
  /** While Redis does not answer: each process counts by itself, or lets nothing through that would be counted. */
  limitsOnStoreFailure: (typeof ON_FAILURE)[number];
}

export const REDIS_VARIABLES: readonly Variable[] = [
  {
    name: 'REDIS_URL',
    example: '',
    allowed: 'redis://[user:password@]host[:port][/database] or rediss://…',
    about: 'Redis 6.2 or newer, in which all processes cache and count requests; unset: each process for itself',
  },
  {
    name: 'LIMITS_ON_STORE_FAILURE',
    example: 'local',
    allowed: ON_FAILURE.join(', '),
    about:
      'while Redis does not answer, each process counts its share of requests itself (local), or they get 503 (closed)',
  },
];

export function readRedis(from: EnvReader): RedisEnv {
  return {
    redisUrl: from.url('REDIS_URL', ['redis:', 'rediss:']),
    limitsOnStoreFailure: from.oneOf('LIMITS_ON_STORE_FAILURE', ON_FAILURE, 'local'),
  };
}
