import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { CredentialCodec, CredentialReader, type CredentialSignals } from '../../tenancy/index.js';
import { API_KEY_PREFIX, decodeApiKey } from '../api-keys/api-key.format.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { bearerIn } from './bearer.js';

const KEYS_SIZE = 50_000;

/** Reads the tenant out of access tokens, refresh tokens and API keys, once signature or MAC has been checked. */
@Injectable()
export class BearerReader extends CredentialReader {
  /** API keys found authentic: decoding one costs more than looking its tenant up. */
  private readonly keys = new LRUCache<string, string>({ max: KEYS_SIZE });

  constructor(
    private readonly tokens: AccessTokens,
    private readonly credentials: CredentialCodec,
  ) {
    super();
  }

  tenantOfToken({ authorization, refreshToken }: CredentialSignals): string | undefined | Promise<string | undefined> {
    const bearer = bearerIn(authorization);
    if (bearer !== undefined && !bearer.startsWith(API_KEY_PREFIX)) {
      const claims = this.tokens.verify('tenant', bearer);
      return claims instanceof Promise ? claims.then((verified) => verified?.tid) : claims?.tid;
    }
    return refreshToken === undefined ? undefined : this.credentials.open('refresh', refreshToken)?.tenantId;
  }

  tenantOfApiKey({ authorization }: CredentialSignals): string | undefined {
    const text = bearerIn(authorization);
    if (!text?.startsWith(API_KEY_PREFIX)) return undefined;
    const known = this.keys.get(text);
    if (known !== undefined) return known;
    const bytes = decodeApiKey(text);
    const tenantId = bytes && this.credentials.openBytes('api-key', bytes)?.tenantId;
    if (tenantId !== undefined) this.keys.set(text, tenantId);
    return tenantId;
  }
}
