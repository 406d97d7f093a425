import { type CanActivate, type ExecutionContext, Injectable, NotFoundException } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuditService } from '../../audit/index.js';
import { ValidationFailed } from '../../common/index.js';
import { type Tenant, TenantContext, TenantRequired, TenantRunner, UnknownTenant } from '../../tenancy/index.js';
import { CredentialInvalid, PermissionMissing } from '../auth.errors.js';
import { ACCESS, type Access } from './access.decorator.js';
import { hasBearer, PlatformBearerGuard, TenantBearerGuard } from './bearer.strategies.js';
import { PasswordChangeRequired } from '../platform/platform.errors.js';
import { isInternal } from './internal.request.js';
import { demandPermission } from './permission.demand.js';
import type { AccessRequest, TenantPrincipal } from './principal.js';
import { demandOpen } from './suspension.js';
import { VisitorAdmission } from './visitor.admission.js';

/**
 * Decides who gets in, stopping at the first failure: tenant resolved, credential valid, credential's tenant equals the
 * resolved one, session and user belong to it, permission.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly tenantBearer: TenantBearerGuard,
    private readonly platformBearer: PlatformBearerGuard,
    private readonly visitors: VisitorAdmission,
    private readonly audit: AuditService,
  ) {}

  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
      execution.getHandler(),
      execution.getClass(),
    ]);
    const request = execution.switchToHttp().getRequest<AccessRequest>();
    switch (access?.kind) {
      case 'public':
        return true;
      case 'internal':
        if (!isInternal(request)) throw new NotFoundException();
        return true;
      case 'public-on-tenant':
        this.refuseUnresolved(request);
        this.refuseSuspended();
        return true;
      case 'tenant':
        this.requireTenant(request, access);
        if (access.permission !== undefined && hasBearer(request)) {
          return this.admit(execution, request, access.permission);
        }
        if (access.visitors) this.visitors.demandOpen();
        return true;
      case 'permission':
        this.requireTenant(request, access);
        return this.admit(execution, request, access.permission);
      case 'visitor-session':
        return this.admitVisitor(execution, request, access);
      case 'platform':
        return this.admitAdmin(execution, request, access);
      case 'platform-public':
        this.refuseTenant();
        if (access.permission === undefined || !hasBearer(request)) return true;
        return this.admitAdmin(execution, request, { permission: access.permission });
      case undefined:
        throw new Error(`Route ${request.method} ${request.path} declares no access.`);
    }
  }

  private async admit(execution: ExecutionContext, request: AccessRequest, permission: string): Promise<boolean> {
    const principal = await this.principal(execution, request);
    demandOpen(this.context.currentOrThrow('A route'), principal.role);
    demandPermission(principal, permission);
    return true;
  }

  private async admitVisitor(
    execution: ExecutionContext,
    request: AccessRequest,
    { from, permission, others }: Extract<Access, { kind: 'visitor-session' }>,
  ): Promise<boolean> {
    const tenant = this.requireTenant(request);
    if (permission !== undefined && hasBearer(request)) {
      const principal = await this.principal(execution, request);
      request.visitor = await this.visitors.admitPrincipal(request, tenant, { from, permission, others }, principal);
      return true;
    }
    request.visitor = await this.visitors.admit(request, tenant, from);
    this.runner.identify({ kind: 'visitor', id: request.visitor.sessionId });
    return true;
  }

  private async principal(execution: ExecutionContext, request: AccessRequest): Promise<TenantPrincipal> {
    await this.tenantBearer.canActivate(execution);
    const { principal } = request;
    if (!principal) throw new CredentialInvalid();
    const { kind, id, name, impersonator } = principal;
    this.runner.identify({ kind, id, name, ...(impersonator && { impersonator }) });
    return principal;
  }

  /** Admin routes exist only where no tenant is named: not under a prefix, on a tenant's host or with a tenant header. */
  private async admitAdmin(
    execution: ExecutionContext,
    request: AccessRequest,
    { permission, beforePasswordChange }: { permission: string; beforePasswordChange?: true },
  ): Promise<boolean> {
    this.refuseTenant();
    await this.platformBearer.canActivate(execution);
    const { admin } = request;
    if (!admin) throw new CredentialInvalid();
    this.runner.identify({ kind: 'platform-admin', id: admin.id, name: admin.name });
    if (admin.mustChangePassword && !beforePasswordChange) throw new PasswordChangeRequired();
    if (!admin.permissions.has(permission)) throw new PermissionMissing(permission);
    return true;
  }

  private refuseTenant(): void {
    this.runner.disown();
    if (this.context.resolution().kind !== 'none') throw new NotFoundException();
  }

  /** @throws TenantSuspended unless the route says that it is open then; who may use it is asked later */
  private requireTenant(request: AccessRequest, { whileSuspended }: { whileSuspended?: true } = {}): Tenant {
    this.refuseUnresolved(request);
    if (!whileSuspended) this.refuseSuspended();
    const tenant = this.context.current();
    if (tenant) return tenant;
    const named = (request.body as { tenant_id?: unknown } | undefined)?.tenant_id;
    if (named !== undefined && typeof named !== 'string') {
      throw new ValidationFailed([{ pointer: '/tenant_id', detail: 'must be a string' }]);
    }
    throw new TenantRequired();
  }

  private refuseSuspended(): void {
    const tenant = this.context.current();
    if (tenant) demandOpen(tenant, undefined);
  }

  private refuseUnresolved(request: AccessRequest): void {
    const resolution = this.context.resolution();
    if (resolution.kind !== 'refused') return;
    this.audit.record({
      event: 'tenant_refused',
      actor: { kind: 'visitor' },
      address: request.ip,
      details: { reason: resolution.reason, method: request.method },
    });
    throw new UnknownTenant();
  }
}
