/** Two kinds of people, two key sets, two issuers, two audiences: a token of one is nothing to the other. */
export type Realm = 'tenant' | 'platform';

/** Life of an access token in seconds. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;
/** … and at most of that of an impersonation, which nothing renews. */
export const IMPERSONATION_SECONDS = 30 * 60;

/** What an access token says (RFC 9068). */
export interface AccessClaims {
  /** User or platform admin. */
  sub: string;
  /** The tenant's UUID; absent for the platform. */
  tid?: string;
  /** Void when older than the user's token version. */
  rv: number;
  /** The device that it was given to; the impersonation's id under one. */
  did: string;
  /** The platform admin who acts as the subject (RFC 8693, section 4.1). */
  act?: { sub: string; name: string };
  jti: string;
  exp: number;
  iat: number;
}
