import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AuditService } from '../../audit/index.js';
import { seal, sha256, unseal } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { SsoStateRefused } from './sso.errors.js';

/** How long a person may take at the provider, in seconds. */
export const STATE_SECONDS = 600;
const ABOUT = 'sso-state';

/** What of a sign-in that was begun is needed when its browser comes back. */
export interface SsoState {
  /** Of the row that uses it up. */
  id: string;
  tenantId: string;
  issuer: string;
  state: string;
  nonce: string;
  /** Of the exchange with the provider (RFC 7636). */
  codeVerifier: string;
  /** Of the page that gets the tokens in the end. */
  codeChallenge: string;
  /** In ms since the epoch. */
  expiresAt: number;
}

/**
 * The state of a sign-in, sealed, in a cookie of the browser that began it. SameSite=Lax, since it is another site that
 * sends the browser back.
 */
@Injectable()
export class SsoStateCookie {
  private readonly key: Buffer;
  private readonly secure: boolean;

  constructor(
    @Inject(ENV) env: Env,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly context: TenantContext,
    private readonly security: AuditService,
  ) {
    this.key = database.keys.derive('sso-state');
    this.secure = env.publicUrl.startsWith('https:');
  }

  set(request: Request, response: Response, state: SsoState): void {
    const sealed = seal(this.key, JSON.stringify(state), ABOUT).toString('base64url');
    response.append('Set-Cookie', this.text(request, sealed, STATE_SECONDS));
  }

  clear(request: Request, response: Response): void {
    response.append('Set-Cookie', this.text(request, '', 0));
  }

  /**
   * The state that the request's cookie holds.
   *
   * @param named by the answer of the provider
   * @throws SsoStateRefused when there is none, it is another one, another tenant's or too old
   */
  open(request: Request, named: unknown): SsoState {
    const tenant = this.context.currentOrThrow('Single sign-on');
    const held = this.read(request);
    if (!held || typeof named !== 'string' || !timingSafeEqual(sha256(held.state), sha256(named))) {
      throw new SsoStateRefused();
    }
    if (held.tenantId !== tenant.id) {
      this.security.record({
        event: 'cross_tenant_access_attempt',
        tenantId: held.tenantId,
        address: this.context.address(),
        details: { target: tenant.slug, route: '/api/auth/sso/callback', method: 'GET' },
      });
      throw new SsoStateRefused();
    }
    if (held.expiresAt <= Date.now()) throw new SsoStateRefused();
    return held;
  }

  private read(request: Request): SsoState | undefined {
    const name = `${this.name()}=`;
    const found = (request.headers.cookie ?? '').split(/; */).find((pair) => pair.startsWith(name));
    if (found === undefined) return undefined;
    try {
      const sealed = Buffer.from(found.slice(name.length), 'base64url');
      return JSON.parse(unseal(this.key, sealed, ABOUT).toString('utf8')) as SsoState;
    } catch {
      return undefined;
    }
  }

  private text(request: Request, value: string, maxAge: number): string {
    const at = request.originalUrl.toLowerCase().indexOf('/api/');
    const path = `${request.originalUrl.slice(0, Math.max(0, at))}/api/auth/sso`;
    const parts = [`${this.name()}=${value}`, `Path=${path}`, `Max-Age=${maxAge}`, 'HttpOnly', 'SameSite=Lax'];
    return [...parts, ...(this.secure ? ['Secure'] : [])].join('; ');
  }

  /** Tenants that share a host (path prefix, header) have cookies of their own. */
  private name(): string {
    return `tenantry_sso_${this.context.currentOrThrow('A cookie').slug}`;
  }
}
