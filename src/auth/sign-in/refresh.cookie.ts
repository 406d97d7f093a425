import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { TokenResponse } from './sign-in.dto.js';
import type { TokenPair } from './sign-in.service.js';

const MAX_AGE_SECONDS = 30 * 24 * 60 * 60;

/** The page that sent the request did not show that it may read our answers. */
export class CsrfRefused extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'csrf_refused',
      detail: 'A refresh token in a cookie needs a matching X-CSRF-Token.',
      remedy: 'Send the csrf_token of the last answer as X-CSRF-Token.',
    });
  }
}

/**
 * The refresh token in a cookie that scripts cannot read. SameSite=Strict keeps other sites from sending it; the token
 * in a header, derived from the device (OWASP: HMAC-based token pattern), covers sites of the same registrable domain,
 * which other tenants' subdomains are.
 */
@Injectable()
export class RefreshCookie {
  private readonly key: Buffer;
  private readonly secure: boolean;

  constructor(
    @Inject(ENV) env: Env,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly context: TenantContext,
  ) {
    this.key = database.keys.derive('csrf');
    this.secure = env.publicUrl.startsWith('https:');
  }

  /** What a client is told of its tokens: the refresh token in the body, or in a cookie when it asked for that. */
  answer(request: Request, response: Response, pair: TokenPair): TokenResponse {
    if (!pair.inCookie) return TokenResponse.of(pair);
    return TokenResponse.of(pair, this.set(request, response, pair.refreshToken, pair.deviceId));
  }

  /** @returns the CSRF token that belongs to it */
  private set(request: Request, response: Response, refreshToken: string, deviceId: string): string {
    response.append('Set-Cookie', this.text(request, refreshToken, MAX_AGE_SECONDS));
    return this.csrfToken(deviceId);
  }

  clear(request: Request, response: Response): void {
    response.append('Set-Cookie', this.text(request, '', 0));
  }

  /** @returns the refresh token of the request's cookie, or undefined when it has none */
  read(request: Request): string | undefined {
    const name = `${this.name()}=`;
    const found = (request.headers.cookie ?? '').split(/; */).find((pair) => pair.startsWith(name));
    return found?.slice(name.length) || undefined;
  }

  /** @throws CsrfRefused */
  check(request: Request, deviceId: string): void {
    const given = Buffer.from(request.get('x-csrf-token') ?? '');
    const wanted = Buffer.from(this.csrfToken(deviceId));
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new CsrfRefused();
  }

  private csrfToken(deviceId: string): string {
    return createHmac('sha256', this.key).update(deviceId).digest('base64url');
  }

  private text(request: Request, value: string, maxAge: number): string {
    const parts = [`${this.name()}=${value}`, `Path=${path(request)}`, `Max-Age=${maxAge}`, 'HttpOnly'];
    return [...parts, 'SameSite=Strict', ...(this.secure ? ['Secure'] : [])].join('; ');
  }

  /** Tenants that share a host (path prefix, header) have cookies of their own. */
  private name(): string {
    return `tenantry_refresh_${this.context.currentOrThrow('A cookie').slug}`;
  }
}

/** The cookie goes only where it is used, on the same address of the tenant as the request. */
function path(request: Request): string {
  const at = request.originalUrl.toLowerCase().indexOf('/api/');
  return `${request.originalUrl.slice(0, Math.max(0, at))}/api/auth`;
}
