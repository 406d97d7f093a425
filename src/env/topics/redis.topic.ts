import type { EnvReader, Variable } from '../env.reader.js';

/** Whether processes share what they cache. */
export interface RedisEnv {
  /** Unset: each process caches for itself. */
  redisUrl: string | undefined;
}

export const REDIS_VARIABLES: readonly Variable[] = [
  {
    name: 'REDIS_URL',
    example: '',
    allowed: 'redis://[user:password@]host[:port][/database] or rediss://…',
    about: 'Redis 6.2 or newer, in which all processes cache; unset: each process for itself',
  },
];

export function readRedis(from: EnvReader): RedisEnv {
  return { redisUrl: from.url('REDIS_URL', ['redis:', 'rediss:']) };
}
