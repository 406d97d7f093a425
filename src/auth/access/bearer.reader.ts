import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { bearerOf } from '../../common/index.js';
import { CredentialCodec, CredentialReader, type CredentialSignals } from '../../tenancy/index.js';
import { API_KEY_PREFIX, decodeApiKey } from '../api-keys/api-key.format.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import type { AccessClaims } from '../tokens/token.claims.js';

const KNOWN_SIZE = 20_000;

interface Known {
  kind: 'token' | 'api-key';
  tenantId: string;
  /** In ms since the epoch. */
  expiresAt: number;
}

/** Reads the tenant out of access tokens, refresh tokens and API keys, once signature or MAC has been checked. */
@Injectable()
export class BearerReader extends CredentialReader {
  /** Authorization headers found authentic: taking one apart costs more than looking its tenant up. */
  private readonly known = new LRUCache<string, Known>({ max: KNOWN_SIZE });

  constructor(
    private readonly tokens: AccessTokens,
    private readonly credentials: CredentialCodec,
  ) {
    super();
  }

  tenantOfToken({ authorization, refreshToken }: CredentialSignals): string | undefined | Promise<string | undefined> {
    if (authorization === undefined) return this.tenantOfRefreshToken(refreshToken);
    const known = this.recall(authorization);
    if (known) return known.kind === 'token' ? known.tenantId : undefined;
    const bearer = textOf(authorization);
    if (bearer === undefined || bearer.startsWith(API_KEY_PREFIX)) return this.tenantOfRefreshToken(refreshToken);
    const claims = this.tokens.verify('tenant', bearer);
    if (claims instanceof Promise) return claims.then((verified) => this.noteToken(authorization, verified));
    return this.noteToken(authorization, claims);
  }

  tenantOfApiKey({ authorization }: CredentialSignals): string | undefined {
    if (authorization === undefined) return undefined;
    const known = this.recall(authorization);
    if (known) return known.kind === 'api-key' ? known.tenantId : undefined;
    const text = textOf(authorization);
    const bytes = text?.startsWith(API_KEY_PREFIX) ? decodeApiKey(text) : undefined;
    const tenantId = bytes && this.credentials.openBytes('api-key', bytes)?.tenantId;
    if (tenantId !== undefined) this.known.set(authorization, { kind: 'api-key', tenantId, expiresAt: Infinity });
    return tenantId;
  }

  private tenantOfRefreshToken(token: string | undefined): string | undefined {
    return token === undefined ? undefined : this.credentials.open('refresh', token)?.tenantId;
  }

  private recall(authorization: string): Known | undefined {
    const known = this.known.get(authorization);
    return known && known.expiresAt > Date.now() ? known : undefined;
  }

  private noteToken(authorization: string, claims: AccessClaims | undefined): string | undefined {
    const tenantId = claims?.tid;
    if (tenantId !== undefined) {
      this.known.set(authorization, { kind: 'token', tenantId, expiresAt: (claims?.exp ?? 0) * 1000 });
    }
    return tenantId;
  }
}

function textOf(authorization: string): string | undefined {
  const bearer = bearerOf(authorization);
  return bearer.kind === 'text' ? bearer.text : undefined;
}
