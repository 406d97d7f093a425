import { Injectable } from '@nestjs/common';
import { AuditService, TenantAudit } from '../../audit/index.js';
import { isUuid, ValidationFailed } from '../../common/index.js';
import { redactPath } from '../../logs/index.js';
import { TenantSettings } from '../../settings/index.js';
import { type Actor, CredentialCodec, type Tenant } from '../../tenancy/index.js';
import { SessionOfAnotherTenant, SessionRequired, SignInRequired, UnknownSession } from '../auth.errors.js';
import { CHAT_PUBLIC } from '../auth.settings.js';
import { demandPermission } from './permission.demand.js';
import type { AccessRequest, TenantPrincipal, Visitor } from './principal.js';
import { SessionAuthenticator } from './session.authenticator.js';

type From = 'body' | 'path' | 'authorization';

/** Lets the bearer of a chat session in: a visitor by its credential alone, a user only into a session of their own. */
@Injectable()
export class VisitorAdmission {
  constructor(
    private readonly credentials: CredentialCodec,
    private readonly sessions: SessionAuthenticator,
    private readonly settings: TenantSettings,
    private readonly audit: AuditService,
    private readonly log: TenantAudit,
  ) {}

  /** @throws SignInRequired where the tenant takes no visitors */
  demandOpen(): void {
    if (!this.settings.get(CHAT_PUBLIC)) throw new SignInRequired();
  }

  /** @throws UnknownSession, SessionOfAnotherTenant, SignInRequired */
  async admit(request: AccessRequest, tenant: Tenant, from: From): Promise<Visitor> {
    const credential = credentialOf(request, from);
    const authentic = this.isOurs(request, tenant, credential);
    this.demandOpen();
    const visitor = authentic && (await this.sessions.authenticate(this.credentials.hash(credential)));
    if (!visitor) throw new UnknownSession();
    if (visitor.userId !== undefined) throw new SignInRequired();
    return visitor;
  }

  /**
   * A signed-in caller names the session by its credential or, being known already, by its UUID. A session of nobody is
   * opened by its credential; any other that is not the caller's only where the route says so, and then for the record.
   *
   * @throws UnknownSession, SessionOfAnotherTenant, PermissionMissing
   */
  async admitPrincipal(
    request: AccessRequest,
    tenant: Tenant,
    { from, permission, others }: { from: From; permission: string; others: string | undefined },
    principal: TenantPrincipal,
  ): Promise<Visitor> {
    const named = credentialOf(request, from);
    const byUuid = isUuid(named);
    if (!byUuid && !this.isOurs(request, tenant, named, principal)) throw new UnknownSession();
    const visitor = await (byUuid
      ? this.sessions.find(named, principal.id)
      : this.sessions.authenticate(this.credentials.hash(named)));
    if (!visitor) throw new UnknownSession();
    const theirs = visitor.userId === undefined ? !byUuid : visitor.userId === principal.id;
    if (!theirs && !(others !== undefined && principal.permissions.has(others))) throw new UnknownSession();
    demandPermission(principal, permission);
    // Before the answer, so that nothing is read that the log does not hold.
    if (!theirs) {
      await this.log.record({
        event: 'session.read-any',
        target: { kind: 'session', id: visitor.sessionId },
        details: { route: redactPath(request.path), user: visitor.userId },
      });
    }
    return visitor;
  }

  /** @returns whether the credential is authentic @throws SessionOfAnotherTenant, which is audited */
  private isOurs(request: AccessRequest, tenant: Tenant, credential: string, principal?: TenantPrincipal): boolean {
    const owner = this.credentials.tenantOf('session', credential);
    if (owner === undefined || owner === tenant.id) return owner !== undefined;
    this.audit.record({
      event: 'cross_tenant_access_attempt',
      tenantId: owner,
      actor: actorOf(principal),
      address: request.ip,
      details: {
        target: tenant.slug,
        route: redactPath(request.path),
        method: request.method,
        ...(principal && { user: principal.id, tenant: tenant.slug }),
      },
    });
    throw new SessionOfAnotherTenant();
  }
}

/** By id: the log of another tenant is told who it was, not what they are called. */
function actorOf(principal: TenantPrincipal | undefined): Actor {
  if (!principal) return { kind: 'visitor' };
  const { kind, id, impersonator } = principal;
  return { kind, id, ...(impersonator && { impersonator }) };
}

function credentialOf(request: AccessRequest, from: From): string {
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
