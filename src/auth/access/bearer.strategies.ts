import { Injectable } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import passport from 'passport';
import { bearerOf } from '../../common/index.js';
import { CredentialInvalid, CredentialRequired } from '../auth.errors.js';
import { type AdminState, AdminStates } from '../platform/admin-states.js';
import { PlatformCredentialInvalid } from '../platform/platform.errors.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import type { AccessClaims } from '../tokens/token.claims.js';
import { CredentialAuthenticator } from './credential.authenticator.js';
import type { AccessRequest, PlatformPrincipal } from './principal.js';

/** Whether the request carries a bearer credential. @throws CredentialInvalid for one that is malformed */
export function hasBearer(request: AccessRequest): boolean {
  const { kind } = bearerOf(request.headers.authorization);
  if (kind === 'malformed') throw new CredentialInvalid();
  return kind === 'text';
}

/** A bearer credential that some function turns into a principal. */
abstract class BearerStrategy extends passport.Strategy {
  protected abstract principalOf(request: AccessRequest, credential: string): Promise<object>;

  override authenticate(request: AccessRequest): void {
    const bearer = bearerOf(request.headers.authorization);
    if (bearer.kind === 'absent') return this.fail(401);
    if (bearer.kind === 'malformed') return this.error(new CredentialInvalid());
    this.principalOf(request, bearer.text).then(
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
    if (!claims) throw new PlatformCredentialInvalid();
    const known = await this.admins.find(claims.sub);
    const admin = isInForce(known, claims) ? known : await this.admins.findAnew(claims.sub);
    if (!isInForce(admin, claims)) throw new PlatformCredentialInvalid();
    const { id, name, role, permissions, mustChangePassword } = admin;
    return { kind: 'platform-admin', id, name, role, permissions, deviceId: claims.did, mustChangePassword };
  }
}

function isInForce(admin: AdminState | undefined, { rv, did }: AccessClaims): admin is AdminState {
  return admin?.active === true && admin.tokenVersion === rv && admin.devices.has(did);
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
