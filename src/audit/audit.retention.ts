import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { firstIdAt } from '../common/index.js';
import { DATABASE, HourlyPurge, PlaceDirectory, type PreparedDatabase, type PurgeRun } from '../database/index.js';
import { settingOf } from '../settings/index.js';
import { placeOf, TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { AUDIT_RETENTION_DAYS, MIN_RETENTION_DAYS } from './audit.settings.js';
import { PlatformAudit } from './platform.audit.js';
import { TenantAudit } from './tenant.audit.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** For one log in one run, which is one transaction; the rest waits for the next. */
const MAX_BATCHES = 100;

export interface Purged extends Record<string, number> {
  /** Tenants that lost events, and how many all of them did. */
  tenants: number;
  events: number;
  platformEvents: number;
}

/**
 * Removes audit events past their retention, as the maintenance role, which alone may and can do nothing else with them.
 *
 * What is removed is itself recorded, in the log concerned. The record is committed first, while the removal waits in
 * an open transaction: after a crash in between, a record may speak of events that the next run removes; none is ever
 * removed without one. Settings are read through the directory, so that maintenance needs no grant on the registry.
 */
@Injectable()
export class AuditRetention extends HourlyPurge<Purged> {
  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    places: PlaceDirectory,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly tenantAudit: TenantAudit,
    private readonly platformAudit: PlatformAudit,
  ) {
    super(database, places);
  }

  protected async ofTenants(run: PurgeRun): Promise<Partial<Purged>> {
    const purged = { tenants: 0, events: 0 };
    for (const tenantId of await this.tenantsWithEventsBefore(run.client, daysAgo(MIN_RETENTION_DAYS))) {
      if (run.stopping) return purged;
      try {
        const events = await this.purgeTenant(run, tenantId);
        purged.events += events;
        if (events > 0) purged.tenants += 1;
      } catch (error) {
        if (run.lost) throw error;
        this.logger.error({ err: error, tenant_id: tenantId }, 'Old audit events of a tenant could not be removed');
      }
    }
    return purged;
  }

  protected override async ofPlatform(run: PurgeRun, removed: Partial<Purged>): Promise<Partial<Purged>> {
    return { platformEvents: await this.purgePlatform(run, removed) };
  }

  /** Jumps from tenant to tenant on the key and looks at the oldest event of each: no scan, no index over all tenants. */
  private async tenantsWithEventsBefore(client: pg.Client, time: Date): Promise<string[]> {
    const { rows } = await client.query<{ tenant_id: string }>(
      `WITH RECURSIVE oldest AS (
         (SELECT tenant_id, id FROM audit_events ORDER BY tenant_id, id LIMIT 1)
         UNION ALL
         SELECT next.* FROM oldest, LATERAL (
           SELECT tenant_id, id FROM audit_events WHERE tenant_id > oldest.tenant_id ORDER BY tenant_id, id LIMIT 1
         ) AS next)
       SELECT tenant_id FROM oldest WHERE id < $1`,
      [firstIdAt(time)],
    );
    return rows.map((row) => row.tenant_id);
  }

  private async purgeTenant(run: PurgeRun, tenantId: string): Promise<number> {
    const tenant = await this.directory.findById(tenantId);
    // Of a tenant that is no longer registered, events stay for the default time and nobody is left to record it for.
    const days = tenant ? settingOf(tenant, AUDIT_RETENTION_DAYS) : AUDIT_RETENTION_DAYS.default;
    const before = daysAgo(days);
    const removed = await run.exclusively(`audit-retention:${tenantId}`, async () => {
      const count = await run.remove(
        `DELETE FROM audit_events WHERE tenant_id = $1 AND id = ANY (ARRAY(
           SELECT id FROM audit_events WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3))`,
        [tenantId, firstIdAt(before)],
        MAX_BATCHES,
      );
      // Where it does not live, there is but a copy left, and its log tells what goes from the original.
      if (count > 0 && tenant && placeOf(tenant.placement) === run.place) {
        const details = { count, before: before.toISOString(), retention_days: days };
        await this.runner.run(tenant, () => this.tenantAudit.record({ event: 'audit.purged', details }));
      }
      return count;
    });
    return removed ?? 0;
  }

  private async purgePlatform(run: PurgeRun, { tenants = 0, events = 0 }: Partial<Purged>): Promise<number> {
    const before = daysAgo(this.env.auditRetentionDays);
    const count = await run.exclusively('audit-retention', async () => {
      const removed = await run.remove(
        `DELETE FROM platform.audit_events WHERE id = ANY (ARRAY(
           SELECT id FROM platform.audit_events WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2))`,
        [before],
        MAX_BATCHES,
      );
      await this.recordForPlatform({ count: removed, before: before.toISOString(), tenants, tenant_events: events });
      return removed;
    });
    // Another process removes the platform's; what this one did to tenants is told all the same.
    if (count === undefined) await this.recordForPlatform({ count: 0, tenants, tenant_events: events });
    return count ?? 0;
  }

  private async recordForPlatform(
    details: Record<string, unknown> & { count: number; tenant_events: number },
  ): Promise<void> {
    if (details.count + details.tenant_events === 0) return;
    await this.platformAudit.record(undefined, { event: 'audit.purged', details });
  }
}

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * DAY_MS);
}
