import { Injectable } from '@nestjs/common';
import { TenantContext } from '../../tenancy/index.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { ACCESS_TOKEN_SECONDS } from '../tokens/token.claims.js';
import type { User } from '../users/user.entity.js';

/** Where a sign-in comes from. */
export interface Client {
  address: string | undefined;
  /** The user agent, as it calls itself. */
  agent: string;
  /** Whether the refresh token goes into a cookie of the browser. */
  inCookie: boolean;
  /** Aborted when nobody waits for the answer any more. */
  left?: AbortSignal;
}

/** What a signed-in client holds. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  /** Life of the access token in seconds. */
  expiresIn: number;
  deviceId: string;
  inCookie: boolean;
}

/** Signs what a user's device is given. */
@Injectable()
export class TokenPairs {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly context: TenantContext,
  ) {}

  /** @param user of the current tenant, as read in the unit of work that let the device have the refresh token */
  of(user: User, device: Pick<TokenPair, 'deviceId' | 'refreshToken' | 'inCookie'>): TokenPair {
    const accessToken = this.accessTokens.sign('tenant', {
      sub: user.id,
      tid: this.context.currentOrThrow('An access token').id,
      rv: user.tokenVersion,
      did: device.deviceId,
    });
    const { deviceId, refreshToken, inCookie } = device;
    return { accessToken, refreshToken, expiresIn: ACCESS_TOKEN_SECONDS, deviceId, inCookie };
  }
}
