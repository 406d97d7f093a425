import { Injectable } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import passport from 'passport';
import { CredentialInvalid, CredentialRequired } from '../auth.errors.js';
import { AdminStates } from '../platform/admin-states.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { bearerIn } from './bearer.js';
import { CredentialAuthenticator } from './credential.authenticator.js';
import type { AccessRequest, PlatformPrincipal } from './principal.js';

/** The bearer credential of a request, or undefined when there is none. */
export function bearerOf(request: AccessRequest): string | undefined {
  return bearerIn(request.headers.authorization);
}

/** A bearer credential that some function turns into a principal. */
abstract class BearerStrategy extends passport.Strategy {
  protected abstract principalOf(request: AccessRequest, credential: string): Promise<object>;

  override authenticate(request: AccessRequest): void {
    const credential = bearerOf(request);
    if (credential === undefined) return this.fail(401);
    this.principalOf(request, credential).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }
}

/** Users and programs of the resolved tenant. */
@Injectable()
export class TenantBearerStrategy extends BearerStrategy {
  constructor(private readonly authenticator: CredentialAuthenticator) {
    super();
  }

  protected principalOf(request: AccessRequest, credential: string): Promise<object> {
    return this.authenticator.authenticate(request, credential);
  }
}

/** Platform admins. A tenant's token has another issuer, audience and key set, and is nothing here. */
@Injectable()
export class PlatformBearerStrategy extends BearerStrategy {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly admins: AdminStates,
  ) {
    super();
  }

  protected async principalOf(_request: AccessRequest, credential: string): Promise<PlatformPrincipal> {
    const claims = await this.tokens.verify('platform', credential);
    const admin = claims && (await this.admins.find(claims.sub));
    if (!admin?.active || admin.tokenVersion !== claims?.rv || !admin.devices.has(claims.did)) {
      throw new CredentialInvalid();
    }
    const { id, name, role, permissions, mustChangePassword } = admin;
    return { kind: 'platform-admin', id, name, role, permissions, deviceId: claims.did, mustChangePassword };
  }
}

/** What passport answers, in our own errors. */
function settled<T>(error: unknown, principal: T | false): T {
  if (error) throw error as Error;
  if (!principal) throw new CredentialRequired();
  return principal;
}

/**
 * The strategy itself instead of its name: names are global to the process, and two applications may share one. A fresh
 * heir of it for every request: passport writes the request's callbacks onto what it is given, and on a shared object
 * one request would be answered with another's principal.
 */
function perRequest(strategy: BearerStrategy, property: 'principal' | 'admin') {
  return {
    property,
    session: false,
    get defaultStrategy(): never {
      return Object.create(strategy) as never;
    },
  };
}

@Injectable()
export class TenantBearerGuard extends AuthGuard() {
  constructor(strategy: TenantBearerStrategy) {
    super(perRequest(strategy, 'principal'));
  }

  override handleRequest<T>(error: unknown, principal: T | false): T {
    return settled(error, principal);
  }
}

@Injectable()
export class PlatformBearerGuard extends AuthGuard() {
  constructor(strategy: PlatformBearerStrategy) {
    super(perRequest(strategy, 'admin'));
  }

  override handleRequest<T>(error: unknown, principal: T | false): T {
    return settled(error, principal);
  }
}
