import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { LRUCache } from 'lru-cache';
import { isUuid, newId } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { SigningKeys } from './signing-keys.js';
import { ACCESS_TOKEN_SECONDS, type AccessClaims, IMPERSONATION_SECONDS, type Realm } from './token.claims.js';

const ALGORITHM = 'ES256';
const TYPE = 'at+jwt';
/** Longer texts are no tokens of ours. */
const MAX_LENGTH = 4096;
const VERIFIED_SIZE = 50_000;
/** How far the clocks of two processes may be apart, in seconds. */
const LEEWAY_SECONDS = 60;

interface Verified {
  kid: string;
  claims: AccessClaims;
}

/** Signs and verifies access tokens (RFC 9068, hardened as RFC 8725 asks). */
@Injectable()
export class AccessTokens {
  /**
   * Tokens found good, for the rest of their life: the signature costs more than all else in a request's checks. Whether
   * their key is still in force is asked every time.
   */
  private readonly verified = new LRUCache<string, Verified>({ max: VERIFIED_SIZE });

  constructor(
    private readonly jwt: JwtService,
    private readonly keys: SigningKeys,
    @Inject(ENV) private readonly env: Env,
  ) {}

  /** @param seconds life of the token */
  sign(realm: Realm, claims: Omit<AccessClaims, 'jti' | 'exp' | 'iat'>, seconds = ACCESS_TOKEN_SECONDS): string {
    const { kid, key } = this.keys.signer(realm);
    return this.jwt.sign(
      { ...claims, jti: newId() },
      {
        privateKey: key as never,
        algorithm: ALGORITHM,
        header: { alg: ALGORITHM, typ: TYPE, kid },
        issuer: this.issuer(realm),
        audience: audienceOf(realm),
        expiresIn: seconds,
      },
    );
  }

  /**
   * At once for a token that was verified before.
   *
   * @returns the claims, or undefined when the token is not one of this realm, or not valid now; never throws
   */
  verify(realm: Realm, token: string): AccessClaims | undefined | Promise<AccessClaims | undefined> {
    const known = this.verified.get(`${realm} ${token}`);
    if (!known) return token.length > MAX_LENGTH ? undefined : this.check(realm, token);
    const { claims, kid } = known;
    if (claims.exp * 1000 <= Date.now()) return undefined;
    const key = this.keys.verifier(realm, kid);
    return key instanceof Promise ? key.then((found) => found && claims) : key && claims;
  }

  issuer(realm: Realm): string {
    const base = this.env.publicUrl.replace(/\/$/, '');
    return realm === 'tenant' ? base : `${base}/api/admin`;
  }

  private async check(realm: Realm, token: string): Promise<AccessClaims | undefined> {
    try {
      const { header } = this.jwt.decode<{ header: { alg?: string; typ?: string; kid?: string } }>(token, {
        complete: true,
      });
      if (header.typ !== TYPE || typeof header.kid !== 'string') return undefined;
      const publicKey = await this.keys.verifier(realm, header.kid);
      if (!publicKey) return undefined;
      const claims = this.jwt.verify<AccessClaims>(token, {
        publicKey: publicKey as never,
        algorithms: [ALGORITHM],
        issuer: this.issuer(realm),
        audience: audienceOf(realm),
      });
      if (!isComplete(realm, claims) || !livesNoLonger(claims)) return undefined;
      this.verified.set(
        `${realm} ${token}`,
        { kid: header.kid, claims },
        { ttl: Math.max(1, claims.exp * 1000 - Date.now()) },
      );
      return claims;
    } catch {
      return undefined;
    }
  }
}

export function audienceOf(realm: Realm): string {
  return `tenantry:${realm}`;
}

/** Than what we issue: a token that says otherwise was made by somebody who got hold of a key. */
function livesNoLonger({ act, exp, iat }: AccessClaims): boolean {
  const longest = act ? IMPERSONATION_SECONDS : ACCESS_TOKEN_SECONDS;
  return exp - iat <= longest && iat <= Date.now() / 1000 + LEEWAY_SECONDS;
}

function isComplete(realm: Realm, claims: AccessClaims): boolean {
  return (
    isUuid(claims.sub) &&
    typeof claims.exp === 'number' &&
    typeof claims.iat === 'number' &&
    typeof claims.rv === 'number' &&
    isUuid(claims.did) &&
    (realm === 'tenant' ? isUuid(claims.tid) : claims.tid === undefined)
  );
}
