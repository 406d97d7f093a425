import { Injectable } from '@nestjs/common';
import { AuditService } from '../../audit/index.js';
import { CredentialCodec, type CredentialKind, TenantContext } from '../../tenancy/index.js';

/** Credentials that somebody presents to the current tenant. */
@Injectable()
export class PresentedCredentials {
  constructor(
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly security: AuditService,
  ) {}

  /**
   * @param route where it was presented, for the log
   * @returns the id of the row that it opens; undefined when it is not authentic, or another tenant's. The latter is
   *   audited there and told to nobody here
   */
  subjectOf(kind: CredentialKind, text: string, route: string): string | undefined {
    const tenant = this.context.currentOrThrow('A credential');
    const opened = this.credentials.open(kind, text);
    if (opened === undefined || opened.tenantId === tenant.id) return opened?.subjectId;
    this.security.record({
      event: 'cross_tenant_access_attempt',
      tenantId: opened.tenantId,
      address: this.context.address(),
      details: { target: tenant.slug, route, method: 'POST' },
    });
    return undefined;
  }
}
