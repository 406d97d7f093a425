import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { hash, hashSync, parseOptions, verify } from '@node-rs/argon2';
import PQueue from 'p-queue';
import { ValidationFailed } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { ClientLeft, SignInBusy } from './password.errors.js';

/** Longer ones are refused, never cut: two passwords that differ at the end must not be the same. */
export const PASSWORD_MAX_BYTES = 1024;

/** Argon2id (RFC 9106) with the least that OWASP's Password Storage Cheat Sheet allows; memory in KiB. */
const CURRENT = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const ARGON2ID_1_3 = '$argon2id$v=19$';

export interface PasswordVerdict {
  ok: boolean;
  /** The password is right and its hash is weaker than a new one would be: store `hash(password)` in its place. */
  rehash: boolean;
}

/**
 * Hashes and checks passwords on libuv's threads, through a queue that is bounded in what runs and in what waits, so
 * that a rush of sign-ins is refused in part instead of slowing everything down.
 */
@Injectable()
export class PasswordHasher {
  private readonly queue: PQueue;
  private readonly waiting: number;
  // Made here, not on first use: the first unknown user must not take longer than the second.
  private readonly nobodys = hashSync(randomBytes(32), CURRENT);
  private lastMs = 0;

  constructor(@Inject(ENV) env: Pick<Env, 'passwordHashConcurrency' | 'passwordHashQueue'>) {
    this.queue = new PQueue({ concurrency: env.passwordHashConcurrency });
    this.waiting = env.passwordHashQueue;
  }

  /**
   * @param signal of the request; when aborted, a hash that still waits is never computed
   * @returns a PHC string
   * @throws SignInBusy 503 when the queue is full; ClientLeft when aborted
   * @throws ValidationFailed 422 past {@link PASSWORD_MAX_BYTES}
   */
  hash(password: string, signal?: AbortSignal): Promise<string> {
    const bytes = bytesOf(password);
    if (!bytes) {
      const detail = `must be at most ${PASSWORD_MAX_BYTES} bytes in UTF-8`;
      return Promise.reject(new ValidationFailed([{ pointer: '/password', detail }]));
    }
    return this.run(() => hash(bytes, CURRENT), signal);
  }

  /**
   * Without a stored hash the same work is done on nobody's: the time of the answer does not tell whether a user
   * exists. (A hash of older, weaker parameters is checked in less time, until its owner signs in next.)
   *
   * @param stored PHC string; undefined for an unknown user or one without a password
   * @throws SignInBusy 503 when the queue is full
   * @throws Error when what is stored is no Argon2 hash
   */
  async verify(stored: string | undefined, password: string, signal?: AbortSignal): Promise<PasswordVerdict> {
    const bytes = bytesOf(password);
    const known = stored !== undefined && bytes !== undefined;
    const matches = await this.run(() => verify(known ? stored : this.nobodys, bytes ?? Buffer.alloc(0)), signal);
    const ok = known && matches;
    return { ok, rehash: ok && isWeaker(stored) };
  }

  private run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.queue.pending >= this.queue.concurrency && this.queue.size >= this.waiting) {
      const drainMs = (this.lastMs * (this.queue.size + this.queue.pending)) / this.queue.concurrency;
      return Promise.reject(new SignInBusy(Math.max(1, Math.ceil(drainMs / 1000))));
    }
    // The queue is not given the signal: it would free the place of a hash that is still being computed.
    return this.queue.add(async () => {
      if (signal?.aborted) throw new ClientLeft();
      const startedMs = performance.now();
      const result = await work();
      this.lastMs = performance.now() - startedMs;
      return result;
    });
  }
}

/** One password, one sequence of bytes, whatever keyboard it came from (NFC, as NIST SP 800-63B-4, 3.1.1.2). */
function bytesOf(password: string): Buffer | undefined {
  const bytes = Buffer.from(password.normalize('NFC'), 'utf8');
  return bytes.length <= PASSWORD_MAX_BYTES ? bytes : undefined;
}

/** More memory for fewer passes, or the reverse, is a choice and not a weakness: only what is below and nowhere above. */
function isWeaker(stored: string): boolean {
  if (!stored.startsWith(ARGON2ID_1_3)) return true;
  const { memoryCost, timeCost } = parseOptions(stored);
  const below = memoryCost < CURRENT.memoryCost || timeCost < CURRENT.timeCost;
  return below && memoryCost <= CURRENT.memoryCost && timeCost <= CURRENT.timeCost;
}
