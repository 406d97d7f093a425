import { Injectable } from '@nestjs/common';
import { AuditService } from '../../audit/index.js';
import { isUuid, ValidationFailed } from '../../common/index.js';
import { redactPath } from '../../logs/index.js';
import { TenantSettings } from '../../settings/index.js';
import { CredentialCodec, type Tenant } from '../../tenancy/index.js';
import { SessionOfAnotherTenant, SessionRequired, SignInRequired, UnknownSession } from '../auth.errors.js';
import { CHAT_PUBLIC } from '../auth.settings.js';
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
  ) {}

  /** @throws UnknownSession, SessionOfAnotherTenant, SignInRequired */
  async admit(request: AccessRequest, tenant: Tenant, from: From): Promise<Visitor> {
    const visitor = await this.byCredential(request, tenant, credentialOf(request, from));
    if (visitor.userId !== undefined || !this.settings.get(CHAT_PUBLIC)) throw new SignInRequired();
    return visitor;
  }

  /** A signed-in caller names the session by its credential or, being known already, by its UUID. */
  async admitPrincipal(
    request: AccessRequest,
    tenant: Tenant,
    from: From,
    principal: TenantPrincipal,
  ): Promise<Visitor> {
    const named = credentialOf(request, from);
    const visitor = isUuid(named) ? await this.sessions.find(named) : await this.byCredential(request, tenant, named);
    // A session of nobody is opened by its credential only.
    const theirs = visitor?.userId === undefined ? !isUuid(named) : visitor.userId === principal.id;
    if (!visitor || !theirs) throw new UnknownSession();
    return visitor;
  }

  private async byCredential(request: AccessRequest, tenant: Tenant, credential: string): Promise<Visitor> {
    const owner = this.credentials.tenantOf('session', credential);
    if (owner === undefined) throw new UnknownSession();
    if (owner !== tenant.id) {
      this.audit.record({
        event: 'cross_tenant_access_attempt',
        tenantId: owner,
        actor: { kind: 'visitor' },
        address: request.ip,
        details: { target: tenant.slug, route: redactPath(request.path), method: request.method },
      });
      throw new SessionOfAnotherTenant();
    }
    const visitor = await this.sessions.authenticate(this.credentials.hash(credential));
    if (!visitor) throw new UnknownSession();
    return visitor;
  }
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
