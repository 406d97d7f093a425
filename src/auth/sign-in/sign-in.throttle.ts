import { Inject, Injectable, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../../common/index.js';
import { addressBucket } from '../../common/index.js';
import { TooManyAttempts } from './sign-in.errors.js';

export interface SignInThrottleOptions {
  /** Monotonic clock in milliseconds (default `performance.now`). */
  now?: () => number;
  /** Most accounts, most addresses and most pairs of both held at once (default 50,000 of each). */
  capacity?: number;
}

export const SIGN_IN_THROTTLE_OPTIONS = Symbol('SIGN_IN_THROTTLE_OPTIONS');

/** Failures without a success in between, and the time of the last one. */
interface Streak {
  failures: number;
  lastMs: number;
  /** Whether some of them were counted while this process was alone, and are not known to the others yet. */
  alone?: boolean;
}

export interface Rule {
  /** Failures after which the next attempt has to wait: 1 s, then twice as long after each. */
  free: number;
  longestMs: number;
}

export const PAIR: Rule = { free: 4, longestMs: 15 * 60_000 };
export const ACCOUNT: Rule = { free: 10, longestMs: 30_000 };
export const ADDRESS_FAILURES = 50;
export const ADDRESS_WINDOW_MS = 15 * 60_000;
// Longer than any burst gained by waiting is worth: forgetting after an hour would allow more guesses a day, not fewer.
export const FORGET_MS = 24 * 3_600_000;

/**
 * An attempt that was let through. It counts as failed from that moment, so that guesses sent in parallel hold each
 * other, and until one of these says otherwise.
 */
export interface SignInAttempt {
  /** The credential was right: the pair of account and address starts afresh. */
  succeeded(): void;
  /** No credential was looked at (busy, database away): takes the count back, though not the time of the last one. */
  abandoned(): void;
}

/** Where and at what somebody tries. */
export interface SignInTry {
  /** Of account and address together, of the account, and of the address; hashes, but for the last. */
  pair: string;
  account: string;
  address: string;
  trusted: boolean;
  forgivenMsAgo: number | undefined;
}

/** Failures in a row, and how long ago the last one was. */
export interface Standing {
  failures: number;
  ageMs: number;
}

/** What `check` asks for of a try. */
export interface SignInTrust {
  trusted: boolean;
  forgivenMsAgo?: number | undefined;
}

/**
 * Slows guesses down without locking anybody out. Three rules, on failures only:
 *
 * - account and address together: from the 4th in a row 1 s, 2 s, 4 s … at most 15 min, until a success;
 * - address over all accounts: 50 in 15 min, then nothing until they age out;
 * - account over all addresses: from the 10th 1 s, 2 s … at most 30 s. However many addresses an attacker has, that is
 *   at most 2,893 guesses in any 24 h against one account (10 at once, then one in 30 s). A success does not end it, or
 *   every sign-in of the victim would give the attacker a fresh burst.
 *
 * An address that the account has signed in from before (`trusted`) is under the first rule only, so nobody elsewhere
 * can hold its owner, and its failures do not hold others. Whoever shares it gets 108 guesses a day between two
 * sign-ins of its owner. On a new address attackers with enough others can take every turn there is, for as long as
 * they are at it; the owner gets in by setting a new password by mail, which makes the address trusted.
 * Accounts that do not exist are treated alike: nothing here knows which do.
 *
 * In process: with n processes the figures are n times as high, unless SharedSignInThrottle counts for all. Memory is bounded; when full, the least recently tried
 * are forgotten first, which costs an attacker 50,000 attempts to win back a burst of ten.
 */
@Injectable()
export class SignInThrottle {
  private readonly now: () => number;
  private readonly pairs: LRUCache<string, Streak>;
  private readonly accounts: LRUCache<string, Streak>;
  /** Times of the failures inside the window, oldest first. */
  private readonly addresses: LRUCache<string, number[]>;

  constructor(@Optional() @Inject(SIGN_IN_THROTTLE_OPTIONS) options: SignInThrottleOptions = {}) {
    const max = options.capacity ?? 50_000;
    this.now = options.now ?? (() => performance.now());
    this.pairs = new LRUCache({ max });
    this.accounts = new LRUCache({ max });
    this.addresses = new LRUCache({ max });
  }

  /** Entries held at the moment, of all three kinds. */
  get size(): number {
    return this.pairs.size + this.accounts.size + this.addresses.size;
  }

  /**
   * Call before the credential is looked at, and settle the attempt afterwards; one that is not settled has failed.
   *
   * @param tenantId UUID of the tenant, or another name of the realm (platform admins)
   * @param account the email as it is looked up, whether or not it is known; or what else is guessed at, by a name of
   *   its own (`mfa:<user id>`)
   * @param address of the client, as a proxy that is believed reports it
   * @param trusted whether the account is known from the same {@link addressBucket}
   * @param forgivenMsAgo ms since the owner showed there, in a stronger way, that the account is theirs: failures from
   *   before do not count
   * @throws TooManyAttempts with the seconds to wait; such a try is not counted
   */
  check(tenantId: string, account: string, address: string | undefined, trust: SignInTrust): SignInAttempt {
    const one = tryOf(tenantId, account, address, trust);
    const now = this.now();
    if (one.forgivenMsAgo !== undefined) this.forgive(one.pair, now - one.forgivenMsAgo);
    const recent = this.recent(one.address, now);
    const waitMs = Math.max(
      wait(PAIR, this.pairs.get(one.pair), now),
      one.trusted ? 0 : wait(ACCOUNT, this.accounts.get(one.account), now),
      one.trusted || recent.length < ADDRESS_FAILURES ? 0 : (recent[0] as number) + ADDRESS_WINDOW_MS - now,
    );
    if (waitMs > 0) throw new TooManyAttempts(Math.max(1, Math.ceil(waitMs / 1000)));
    const attempt = this.count(one);
    for (const streak of this.streaksOf(one)) streak.alone = true;
    return attempt;
  }

  /** Counts a try that others have let through. */
  count({ pair: pairKey, account, address, trusted }: SignInTry): SignInAttempt {
    const now = this.now();
    const recent = this.recent(address, now);
    const pair = count(this.pairs, pairKey, now);
    const streaks = trusted ? [pair] : [pair, count(this.accounts, account, now)];
    recent.push(now);
    // A trusted address is let through past the limit; what it remembers stays bounded.
    if (recent.length > ADDRESS_FAILURES) recent.shift();
    this.addresses.set(address, recent);
    return settlement(() => {
      for (const streak of streaks) streak.failures = Math.max(0, streak.failures - 1);
      const index = recent.indexOf(now);
      if (index >= 0) recent.splice(index, 1);
    }, pair);
  }

  /** What was counted alone of pair and account, to be taken to where all count; nothing where none was. */
  countedAlone({ pair, account }: SignInTry): { pair: Standing; account: Standing } {
    const now = this.now();
    const standing = (streak: Streak | undefined): Standing =>
      streak?.alone ? { failures: streak.failures, ageMs: now - streak.lastMs } : { failures: 0, ageMs: 0 };
    return { pair: standing(this.pairs.get(pair)), account: standing(this.accounts.get(account)) };
  }

  /** Knows from now on what all processes have counted together. */
  adopt(one: SignInTry, known: { pair: Standing; account: Standing }): void {
    const now = this.now();
    const take = (streaks: LRUCache<string, Streak>, key: string, { failures, ageMs }: Standing): void => {
      const streak = streaks.get(key);
      if (streak) Object.assign(streak, { failures, lastMs: now - ageMs, alone: false });
      else if (failures > 0) streaks.set(key, { failures, lastMs: now - ageMs });
    };
    take(this.pairs, one.pair, known.pair);
    take(this.accounts, one.account, known.account);
  }

  private streaksOf({ pair, account, trusted }: SignInTry): Streak[] {
    return [this.pairs.get(pair), trusted ? undefined : this.accounts.get(account)].filter((one) => one !== undefined);
  }

  private forgive(pairKey: string, untilMs: number): void {
    const pair = this.pairs.get(pairKey);
    if (pair && pair.lastMs <= untilMs) this.pairs.delete(pairKey);
  }

  private recent(bucket: string, now: number): number[] {
    const times = this.addresses.get(bucket) ?? [];
    while (times.length > 0 && (times[0] as number) + ADDRESS_WINDOW_MS <= now) times.shift();
    return times;
  }
}

function settlement(takeBack: () => void, pair: Streak): SignInAttempt {
  let settled = false;
  const once = (settle: () => void) => () => {
    if (settled) return;
    settled = true;
    settle();
  };
  return {
    abandoned: once(takeBack),
    succeeded: once(() => {
      takeBack();
      pair.failures = 0;
    }),
  };
}

/** @returns milliseconds until the rule lets the next attempt through, 0 or less when it does now */
function wait(rule: Rule, streak: Streak | undefined, now: number): number {
  if (!streak || streak.failures < rule.free || now - streak.lastMs >= FORGET_MS) return 0;
  return streak.lastMs + Math.min(rule.longestMs, 1000 * 2 ** (streak.failures - rule.free)) - now;
}

function count(streaks: LRUCache<string, Streak>, key: string, now: number): Streak {
  let streak = streaks.get(key);
  if (!streak || now - streak.lastMs >= FORGET_MS) streak = { failures: 0, lastMs: now };
  streak.failures++;
  streak.lastMs = now;
  streaks.set(key, streak);
  return streak;
}

/** @param trust as {@link SignInThrottle.check} takes it */
export function tryOf(
  tenantId: string,
  account: string,
  address: string | undefined,
  { trusted, forgivenMsAgo }: SignInTrust,
): SignInTry {
  const key = keyOf(tenantId, account);
  const bucket = addressBucket(address);
  return { pair: `${key} ${bucket}`, account: key, address: bucket, trusted, forgivenMsAgo };
}

/** A hash, so that keys are short whatever is typed, and no address of a person lies in memory. */
function keyOf(tenantId: string, account: string): string {
  const normalised = account.normalize('NFC').trim().toLowerCase();
  return sha256(`${tenantId}\0${normalised}`).toString('base64url');
}
