import { Injectable } from '@nestjs/common';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../tenancy/index.js';
import { type AuditInput, entryOf, originOf } from './audit.entry.js';
import { TenantAuditEvent } from './tenant-audit-event.entity.js';

/** The tenant's own log of who did what. */
@Injectable()
export class TenantAudit {
  constructor(
    @InjectTenantRepository(TenantAuditEvent) private readonly events: TenantRepository<TenantAuditEvent>,
    private readonly context: TenantContext,
  ) {}

  /**
   * Records an event of the current tenant. Call it inside the TenantTransaction of the change itself: then neither is
   * stored without the other.
   *
   * @throws TenantContextMissing outside a tenant scope
   */
  async record(input: AuditInput): Promise<void> {
    await this.events.insert(entryOf(input, originOf(this.context)));
  }
}
