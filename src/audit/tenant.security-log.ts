import { Injectable, Logger } from '@nestjs/common';
import {
  ConnectionsExhausted,
  InjectTenantRepository,
  PlaceLanes,
  PlacementUnavailable,
  TenantBusy,
  TenantDirectory,
  type TenantRepository,
  TenantRunner,
} from '../tenancy/index.js';
import type { AuditEntry } from './audit.entry.js';
import { TenantAuditEvent } from './tenant-audit-event.entity.js';

/** Events that may wait; what comes on top stands in the platform's log only. */
const MAX_WAITING = 10_000;
/** How long those wait whose place could not be reached, in ms. */
const RETRY_MS = 10_000;

/**
 * Brings security events into the log of the tenant whose credential was used. The request at hand runs in the scope of
 * the tenant aimed at, in which no other tenant's scope may open: so events wait here, and {@link drain} is called
 * where no scope is open. A place that cannot be reached delays its own tenants' events alone.
 */
@Injectable()
export class TenantSecurityLog {
  private readonly logger = new Logger('Audit');
  private readonly waiting = new Map<string, AuditEntry[]>();
  private count = 0;
  /** Tenants whose events are being stored. */
  private readonly stores = new Map<string, Promise<void>>();
  /** Tenants whose events were just now not to be stored. */
  private readonly resting = new Set<string>();
  private readonly lanes = new PlaceLanes();

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

  /** Begins to store what waits, one statement for each tenant. */
  drain(): void {
    for (const tenantId of this.waiting.keys()) if (!this.resting.has(tenantId)) this.begin(tenantId);
  }

  /** Stores what waits, trying all of it once more, or else logs it. Never fails. */
  async end(): Promise<void> {
    await Promise.all(this.stores.values());
    for (const tenantId of this.waiting.keys()) this.begin(tenantId);
    await Promise.all(this.stores.values());
    for (const [tenantId, entries] of this.waiting) this.lose(tenantId, entries);
  }

  private begin(tenantId: string): void {
    if (this.stores.has(tenantId)) return;
    const store = this.store(tenantId).finally(() => this.stores.delete(tenantId));
    this.stores.set(tenantId, store);
  }

  private async store(tenantId: string): Promise<void> {
    let entries: AuditEntry[] = [];
    try {
      const tenant = await this.directory.findById(tenantId);
      const write = async (): Promise<void> => {
        // Those that came meanwhile, too.
        entries = this.take(tenantId);
        if (tenant && entries.length > 0) await this.runner.run(tenant, () => this.events.insert(entries));
      };
      await this.lanes.run(tenant?.placement ?? { kind: 'shared' }, write);
    } catch (error) {
      const later = [PlacementUnavailable, ConnectionsExhausted, TenantBusy].some((kind) => error instanceof kind);
      if (later && entries.length > 0) this.putBack(tenantId, entries);
      else if (entries.length > 0) this.lose(tenantId, entries, error);
      this.resting.add(tenantId);
      setTimeout(() => this.resting.delete(tenantId), RETRY_MS).unref();
    }
  }

  private take(tenantId: string): AuditEntry[] {
    const entries = this.waiting.get(tenantId) ?? [];
    this.waiting.delete(tenantId);
    this.count -= entries.length;
    return entries;
  }

  private putBack(tenantId: string, entries: AuditEntry[]): void {
    this.waiting.set(tenantId, [...entries, ...(this.waiting.get(tenantId) ?? [])]);
    this.count += entries.length;
  }

  private lose(tenantId: string, events: AuditEntry[], error?: unknown): void {
    this.logger.error({ err: error, tenant_id: tenantId, events }, 'Audit events could not be stored');
  }
}
