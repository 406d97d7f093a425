import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AuditService } from '../audit/index.js';
import { ValidationFailed } from '../common/index.js';
import { redactPath } from '../logs/index.js';
import { CredentialCodec, type Tenant, TenantContext, TenantRequired, UnknownTenant } from '../tenancy/index.js';
import { ACCESS, type Access } from './access.decorator.js';
import { SessionOfAnotherTenant, SessionRequired, UnknownSession } from './auth.errors.js';

/** The visitor behind a checked session credential. */
export interface Visitor {
  sessionId: string;
}

/** Port: knows whether a session of the current tenant is alive. The session slice implements it. */
export abstract class SessionAuthenticator {
  /** @param tokenHash SHA-256 of the credential */
  abstract authenticate(tokenHash: Buffer): Visitor | undefined | Promise<Visitor | undefined>;
}

export type VisitorRequest = Request & { visitor?: Visitor };

/**
 * Decides who gets in, in this order: tenant resolved, credential authentic, credential's tenant equals the resolved
 * one, session alive in it.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly context: TenantContext,
    private readonly credentials: CredentialCodec,
    private readonly sessions: SessionAuthenticator,
    private readonly audit: AuditService,
  ) {}

  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
      execution.getHandler(),
      execution.getClass(),
    ]);
    const request = execution.switchToHttp().getRequest<VisitorRequest>();
    switch (access?.kind) {
      case 'public':
        return true;
      case 'public-on-tenant':
        this.refuseUnresolved(request);
        return true;
      case 'tenant':
        this.requireTenant(request);
        return true;
      case 'visitor-session':
        return this.admitVisitor(request, access.from);
      case undefined:
        throw new Error(`Route ${request.method} ${request.path} declares no access.`);
    }
  }

  private async admitVisitor(request: VisitorRequest, from: 'body' | 'path' | 'authorization'): Promise<boolean> {
    const tenant = this.requireTenant(request);
    const credential = credentialOf(request, from);
    const owner = this.credentials.tenantOf('session', credential);
    if (owner === undefined) throw new UnknownSession();
    if (owner !== tenant.id) {
      this.audit.record({
        event: 'cross_tenant_access_attempt',
        tenantId: owner,
        address: request.ip,
        details: { target: tenant.slug, route: redactPath(request.path), method: request.method },
      });
      throw new SessionOfAnotherTenant();
    }
    const visitor = await this.sessions.authenticate(this.credentials.hash(credential));
    if (!visitor) throw new UnknownSession();
    request.visitor = visitor;
    return true;
  }

  private requireTenant(request: Request): Tenant {
    this.refuseUnresolved(request);
    const tenant = this.context.current();
    if (tenant) return tenant;
    const named = (request.body as { tenant_id?: unknown } | undefined)?.tenant_id;
    if (named !== undefined && typeof named !== 'string') {
      throw new ValidationFailed([{ pointer: '/tenant_id', detail: 'must be a string' }]);
    }
    throw new TenantRequired();
  }

  private refuseUnresolved(request: Request): void {
    const resolution = this.context.resolution();
    if (resolution.kind !== 'refused') return;
    this.audit.record({
      event: 'tenant_refused',
      address: request.ip,
      details: { reason: resolution.reason, method: request.method },
    });
    throw new UnknownTenant();
  }
}

function credentialOf(request: Request, from: 'body' | 'path' | 'authorization'): string {
  if (from === 'path') return String(request.params['session_id']);
  if (from === 'authorization') {
    const match = /^Session ([\w-]{1,200})$/i.exec(request.headers.authorization ?? '');
    if (!match?.[1]) throw new SessionRequired();
    return match[1];
  }
  const value = (request.body as { session_id?: unknown } | undefined)?.session_id;
  if (typeof value !== 'string') {
    throw new ValidationFailed([{ pointer: '/session_id', detail: 'must be a string' }]);
  }
  return value;
}
