/** The numbers behind the rate limit headers of one response. */
export interface RateLimitState {
  /** Name of the policy, such as `chat`. */
  name: string;
  /** Requests allowed per window. */
  quota: number;
  /** Width of the window in seconds. */
  windowSeconds: number;
  /** Requests still allowed right now. */
  remaining: number;
  /** Seconds until a request's worth of quota comes back. */
  resetSeconds: number;
  /** Seconds to wait after a refusal, at least 1; absent when the request was let through. */
  retryAfterSeconds?: number;
}

/** The part of a response that is needed here: Node's own, as Express hands it on. */
export interface HeaderSink {
  setHeader(name: string, value: string): unknown;
  /** How the limit by address stands, which is looked at before those of the tenant. */
  addressLimit?: RateLimitState;
}

/**
 * Sets the IETF draft `RateLimit` fields, their older `X-RateLimit-*` kin (seconds), and `Retry-After` if refused. All
 * policies are listed; what is left is told of the one that will refuse first, or has refused for longest.
 *
 * @param states at least one
 */
export function setRateLimitHeaders(res: HeaderSink, states: readonly RateLimitState[]): void {
  const closest = states.reduce((least, state) => (comesBefore(state, least) ? state : least));
  res.setHeader('RateLimit-Policy', states.map(policyItem).join(', '));
  res.setHeader('RateLimit', `${quoted(closest.name)};r=${closest.remaining};t=${closest.resetSeconds}`);
  res.setHeader('X-RateLimit-Limit', String(closest.quota));
  res.setHeader('X-RateLimit-Remaining', String(closest.remaining));
  res.setHeader('X-RateLimit-Reset', String(closest.resetSeconds));
  if (closest.retryAfterSeconds !== undefined) res.setHeader('Retry-After', String(closest.retryAfterSeconds));
}

function policyItem({ name, quota, windowSeconds }: RateLimitState): string {
  return `${quoted(name)};q=${quota};w=${Math.ceil(windowSeconds)}`;
}

/** Whether a client must heed the one before the other. */
function comesBefore(one: RateLimitState, other: RateLimitState): boolean {
  const [wait, otherWait] = [one.retryAfterSeconds ?? 0, other.retryAfterSeconds ?? 0];
  if (wait !== otherWait) return wait > otherWait;
  if (one.remaining !== other.remaining) return one.remaining < other.remaining;
  return one.resetSeconds > other.resetSeconds;
}

/** A structured-field string (RFC 9651): printable ASCII, with quotes and backslashes escaped. */
function quoted(text: string): string {
  if (/^[\w.-]*$/.test(text)) return `"${text}"`;
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
