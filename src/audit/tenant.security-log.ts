import { Injectable, Logger } from '@nestjs/common';
import { InjectTenantRepository, TenantDirectory, type TenantRepository, TenantRunner } from '../tenancy/index.js';
import type { AuditEntry } from './audit.entry.js';
import { TenantAuditEvent } from './tenant-audit-event.entity.js';

/** Events that may wait; what comes on top stands in the platform's log only. */
const MAX_WAITING = 10_000;

/**
 * Brings security events into the log of the tenant whose credential was used. The request at hand runs in the scope of
 * the tenant aimed at, in which no other tenant's scope may open: so events wait here, and {@link drain} is called
 * where no scope is open.
 */
@Injectable()
export class TenantSecurityLog {
  private readonly logger = new Logger('Audit');
  private waiting = new Map<string, AuditEntry[]>();
  private count = 0;
  private draining: Promise<void> = Promise.resolve();

  constructor(
    @InjectTenantRepository(TenantAuditEvent) private readonly events: TenantRepository<TenantAuditEvent>,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  add(tenantId: string, entry: AuditEntry): void {
    if (this.count >= MAX_WAITING) {
      this.logger.error(
        { tenant_id: tenantId, event: entry.event },
        'Too many audit events wait; this one is left out',
      );
      return;
    }
    this.count += 1;
    const entries = this.waiting.get(tenantId);
    if (entries) entries.push(entry);
    else this.waiting.set(tenantId, [entry]);
  }

  /** Stores what waits, one statement for each tenant. Never fails. */
  drain(): Promise<void> {
    this.draining = this.draining.then(() => this.storeWaiting());
    return this.draining;
  }

  private async storeWaiting(): Promise<void> {
    const batch = this.waiting;
    this.waiting = new Map();
    for (const [tenantId, entries] of batch) {
      this.count -= entries.length;
      try {
        const tenant = await this.directory.findById(tenantId);
        if (tenant) await this.runner.run(tenant, () => this.events.insert(entries));
      } catch (error) {
        this.logger.error({ err: error, tenant_id: tenantId, events: entries }, 'Audit events could not be stored');
      }
    }
  }
}
