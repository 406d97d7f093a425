import type { ThrottlerStorage } from '@nestjs/throttler';

export type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** One quota that a request draws on. */
export interface LimitPolicy {
  /** Whose quota of what; the part in braces, such as `{t:<tenant>}`, is common to all policies of one request. */
  readonly key: string;
  /** Requests allowed per window. */
  readonly quota: number;
  /** Width of the sliding window in milliseconds. */
  readonly windowMs: number;
}

/** How one policy stands after a request. */
export interface LimitStanding {
  /** Whether it refused the request. */
  readonly refused: boolean;
  /** Requests counted in the window, this one included if it was accepted. */
  readonly used: number;
  /** Requests that would still be let through now; fewer than the quota leaves where a process has but a share of it. */
  readonly remaining: number;
  /**
   * Whole seconds, rounded up and at least 1, until a slot frees when none is left, else until the oldest request leaves.
   */
  readonly resetSeconds: number;
}

/** What became of a request. */
export interface LimitVerdict {
  readonly accepted: boolean;
  /** In the order of the policies. */
  readonly standings: readonly LimitStanding[];
}

/** Who counts: all processes together, each by itself, or nobody, so that nothing is let through that is limited. */
export type LimitState = 'shared' | 'own' | 'closed';

/** Port: counts requests. To the throttler it is a storage like any other, of one policy at a time. */
export abstract class LimitStorage implements ThrottlerStorage {
  /** Who counts at the moment. */
  get state(): LimitState {
    return 'own';
  }

  /**
   * Draws on all policies at once or, if any of them refuses, on none.
   *
   * @param policies with keys that differ
   * @returns at once where nothing has to be waited for
   */
  abstract consume(policies: readonly LimitPolicy[]): LimitVerdict | Promise<LimitVerdict>;

  /**
   * The case of one policy, in the throttler's words.
   *
   * @param key already unique per throttler name @param ttl of the window, in ms @param limit requests per window
   * @param _blockDuration ignored: a sliding log needs no penalty time
   */
  async increment(
    key: string,
    ttl: number,
    limit: number,
    _blockDuration: number,
    _throttlerName: string,
  ): Promise<ThrottlerRecord> {
    const { standings } = await this.consume([{ key, windowMs: ttl, quota: limit }]);
    const { refused, used, resetSeconds } = standings[0] as LimitStanding;
    return {
      totalHits: used,
      timeToExpire: resetSeconds,
      isBlocked: refused,
      timeToBlockExpire: refused ? resetSeconds : 0,
    };
  }
}

/** @param resetMs of a {@link SlidingWindow}, whose ticks are rounded up @param windowMs its width */
export function wholeSeconds(resetMs: number, windowMs: number): number {
  // The fraction of a millisecond by which an exact window is late must not turn 10 s into 11.
  const waitMs = resetMs < windowMs + 1 ? Math.min(resetMs, windowMs) : resetMs;
  return Math.max(1, Math.ceil(waitMs / 1000));
}
