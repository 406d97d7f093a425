import { Injectable, Logger } from '@nestjs/common';
import { newId, sha256 } from '../../common/index.js';
import { RedisConnection, RedisScript } from '../../redis/index.js';
import { CHECK, SETTLE } from './sign-in.scripts.js';
import { TooManyAttempts } from './sign-in.errors.js';
import {
  ACCOUNT,
  ADDRESS_FAILURES,
  ADDRESS_WINDOW_MS,
  FORGET_MS,
  PAIR,
  type SignInAttempt,
  SignInThrottle,
  type SignInTrust,
  type SignInTry,
  tryOf,
} from './sign-in.throttle.js';

const CHECKS = new RedisScript(CHECK);
const SETTLES = new RedisScript(SETTLE);
/** How long one with fewer failures than make anybody wait is remembered, in ms: so few an hour are too few a day. */
const FEW_MS = 3_600_000;
const RULES = [PAIR.free, PAIR.longestMs, ACCOUNT.free, ACCOUNT.longestMs, ADDRESS_FAILURES, ADDRESS_WINDOW_MS];

/**
 * The rules of {@link SignInThrottle}, counted for all processes together in Redis, by its clock, where there is one. While
 * it does not answer each process counts by itself, on top of what it knows of all; what it counted alone is known to the
 * others once it asks for the same account and address again.
 */
@Injectable()
export class SharedSignInThrottle {
  private readonly logger = new Logger('SignIn');
  private away = false;

  constructor(
    private readonly own: SignInThrottle,
    private readonly redis: RedisConnection,
  ) {}

  /** As {@link SignInThrottle.check}. @throws TooManyAttempts */
  async check(
    tenantId: string,
    account: string,
    address: string | undefined,
    trust: SignInTrust,
  ): Promise<SignInAttempt> {
    const one = tryOf(tenantId, account, address, trust);
    const shared = await this.checkTogether(one);
    return shared ?? this.own.check(tenantId, account, address, trust);
  }

  /** @returns undefined when Redis does not answer */
  private async checkTogether(one: SignInTry): Promise<SignInAttempt | undefined> {
    const { client } = this.redis;
    if (!client || !this.redis.up) return undefined;
    const id = newId();
    const { pair, account } = this.own.countedAlone(one);
    const carried = [pair.failures, pair.ageMs, account.failures, account.ageMs].map(Math.round);
    const args = [
      one.trusted ? 1 : 0,
      Math.round(one.forgivenMsAgo ?? -1),
      id,
      FORGET_MS,
      FEW_MS,
      ...RULES,
      ...carried,
    ];
    let reply: number[];
    try {
      reply = (await CHECKS.run(client, keysOf(one), args)) as number[];
    } catch (error) {
      if (!this.away)
        this.logger.warn({ err: error }, 'Redis does not answer for sign-ins: this process counts by itself');
      this.away = true;
      return undefined;
    }
    this.away = false;
    const [waitMs = 0, pairFailures = 0, pairAge = 0, accountFailures = 0, accountAge = 0] = reply;
    const attempt = waitMs > 0 ? undefined : this.own.count(one);
    this.own.adopt(one, {
      pair: { failures: pairFailures, ageMs: pairAge },
      account: { failures: accountFailures, ageMs: accountAge },
    });
    if (!attempt) throw new TooManyAttempts(Math.max(1, Math.ceil(waitMs / 1000)));
    return this.settledTogether(one, id, attempt);
  }

  private settledTogether(one: SignInTry, id: string, attempt: SignInAttempt): SignInAttempt {
    let settled = false;
    // Where Redis does not hear of it, the try counts as failed there.
    const settle = (succeeded: boolean): void => {
      const { client } = this.redis;
      if (settled || !client) return;
      settled = true;
      const args = [succeeded ? 1 : 0, one.trusted ? 1 : 0, id];
      SETTLES.run(client, keysOf(one), args).catch(() => undefined);
    };
    return {
      succeeded: () => {
        attempt.succeeded();
        settle(true);
      },
      abandoned: () => {
        attempt.abandoned();
        settle(false);
      },
    };
  }
}

/** In one slot of a cluster. No address of a client is written to Redis. */
function keysOf({ pair, account, address }: SignInTry): string[] {
  const hash = (text: string): string => sha256(text).toString('base64url');
  return [`{sign-in}p:${hash(pair)}`, `{sign-in}a:${account}`, `{sign-in}h:${hash(address)}`];
}
