import { availableParallelism } from 'node:os';
import type { EnvReader, Variable } from '../env.reader.js';
import { parseSender } from '../mail.js';

/** Who runs the platform, and how passwords are checked. */
export interface PeopleEnv {
  /** The first platform admin, made when there is none yet. */
  platformAdmin: { email: string; password: string } | undefined;
  /** Password hashes computed at the same time. */
  passwordHashConcurrency: number;
  /** Password hashes that may wait for their turn. */
  passwordHashQueue: number;
}

export const PEOPLE_VARIABLES: readonly Variable[] = [
  {
    name: 'PLATFORM_ADMIN_EMAIL',
    example: '',
    allowed: 'an e-mail address such as admin@example.com',
    about:
      'the first platform admin, made when there is none yet; unset with the embedded database: admin@(host of ' +
      'PUBLIC_URL) with a one-time password on the screen of the first start',
  },
  {
    name: 'PLATFORM_ADMIN_PASSWORD',
    example: '',
    allowed: 'at least 8 characters; outside demo mode at least 10, and none of those that are tried first',
    about: 'the password of PLATFORM_ADMIN_EMAIL; set both or neither',
  },
  {
    name: 'PASSWORD_HASH_CONCURRENCY',
    example: '',
    allowed: 'an integer from 1 to 1024',
    about:
      'password hashes at the same time, 19 MiB and one thread each; default cores - 1, and no more than the threads ' +
      'of UV_THREADPOOL_SIZE (4) - 1',
  },
  {
    name: 'PASSWORD_HASH_QUEUE',
    example: '64',
    allowed: 'an integer from 0 to 100000',
    about: 'password hashes that may wait; a sign-in past that is answered 503',
  },
];

export function readPeople(from: EnvReader): PeopleEnv {
  const email = from.text('PLATFORM_ADMIN_EMAIL');
  const password = from.text('PLATFORM_ADMIN_PASSWORD');
  if (email !== undefined && parseSender(email)?.address !== email) from.wrong('PLATFORM_ADMIN_EMAIL');
  if (password !== undefined && password.length < 8) from.wrong('PLATFORM_ADMIN_PASSWORD');
  if ((email === undefined) !== (password === undefined)) {
    from.problem('PLATFORM_ADMIN_EMAIL and PLATFORM_ADMIN_PASSWORD belong together; set both or neither.');
  }
  // One core and one thread of libuv's pool stay free: sign-ins must not starve requests, nor file and DNS look-ups.
  const poolThreads = Number(from.text('UV_THREADPOOL_SIZE') ?? 4) || 4;
  const hashThreads = Math.max(1, Math.min(availableParallelism(), poolThreads) - 1);
  return {
    platformAdmin: email && password ? { email, password } : undefined,
    passwordHashConcurrency: from.integer('PASSWORD_HASH_CONCURRENCY', hashThreads, 1, 1024),
    passwordHashQueue: from.integer('PASSWORD_HASH_QUEUE', 64, 0, 100_000),
  };
}
