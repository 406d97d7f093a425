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
}

/** Sets the IETF draft `RateLimit` fields, their older `X-RateLimit-*` kin (seconds), and `Retry-After` if refused. */
export function setRateLimitHeaders(res: HeaderSink, state: RateLimitState): void {
  const name = quoted(state.name);
  res.setHeader('RateLimit-Policy', `${name};q=${state.quota};w=${Math.ceil(state.windowSeconds)}`);
  res.setHeader('RateLimit', `${name};r=${state.remaining};t=${state.resetSeconds}`);
  res.setHeader('X-RateLimit-Limit', String(state.quota));
  res.setHeader('X-RateLimit-Remaining', String(state.remaining));
  res.setHeader('X-RateLimit-Reset', String(state.resetSeconds));
  if (state.retryAfterSeconds !== undefined) res.setHeader('Retry-After', String(state.retryAfterSeconds));
}

/** A structured-field string (RFC 9651): printable ASCII, with quotes and backslashes escaped. */
function quoted(text: string): string {
  if (/^[\w.-]*$/.test(text)) return `"${text}"`;
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
