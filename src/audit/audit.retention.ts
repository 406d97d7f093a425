import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { firstIdAt } from '../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../database/index.js';
import type { Env } from '../env/index.js';
import { settingOf } from '../settings/index.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { AUDIT_RETENTION_DAYS, MIN_RETENTION_DAYS } from './audit.settings.js';
import { PlatformAudit } from './platform.audit.js';
import { TenantAudit } from './tenant.audit.js';

const EVERY_MS = 60 * 60 * 1000;
const DAY_MS = 24 * EVERY_MS;
const BATCH = 5000;
/** For one log in one run, which is one transaction; the rest waits for the next. */
const MAX_BATCHES = 100;

export interface Purged {
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
export class AuditRetention implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('AuditRetention');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private stopping = false;

  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    @Inject(ENV) private readonly env: Env,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly tenantAudit: TenantAudit,
    private readonly platformAudit: PlatformAudit,
  ) {}

  onApplicationBootstrap(): void {
    if (this.env.role === 'api') return;
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.running;
  }

  async purge(): Promise<Purged> {
    const client = new pg.Client({ connectionString: this.database.url('maintenance') });
    let lost: Error | undefined;
    // While a record is written the connection idles, and an idle one reports its loss by event only.
    client.on('error', (error) => (lost = error));
    await client.connect();
    try {
      const purged = { tenants: 0, events: 0, platformEvents: 0 };
      for (const tenantId of await this.tenantsWithEventsBefore(client, daysAgo(MIN_RETENTION_DAYS))) {
        if (this.stopping) return purged;
        try {
          const events = await this.purgeTenant(client, tenantId);
          purged.events += events;
          if (events > 0) purged.tenants += 1;
        } catch (error) {
          if (lost) throw error;
          this.logger.error({ err: error, tenant_id: tenantId }, 'Old audit events of a tenant could not be removed');
        }
      }
      purged.platformEvents = await this.purgePlatform(client, purged);
      return purged;
    } finally {
      await client.end();
    }
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

  private async purgeTenant(client: pg.Client, tenantId: string): Promise<number> {
    const tenant = await this.directory.findById(tenantId);
    // Of a tenant that is no longer registered, events stay for the default time and nobody is left to record it for.
    const days = tenant ? settingOf(tenant, AUDIT_RETENTION_DAYS) : AUDIT_RETENTION_DAYS.default;
    const before = daysAgo(days);
    return inTransaction(client, async () => {
      if (!(await isOurs(client, tenantId))) return 0;
      const count = await this.deleteInBatches(() =>
        client.query(
          `DELETE FROM audit_events WHERE tenant_id = $1 AND id = ANY (ARRAY(
             SELECT id FROM audit_events WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3))`,
          [tenantId, firstIdAt(before), BATCH],
        ),
      );
      if (count > 0 && tenant) {
        const details = { count, before: before.toISOString(), retention_days: days };
        await this.runner.run(tenant, () => this.tenantAudit.record({ event: 'audit.purged', details }));
      }
      return count;
    });
  }

  private purgePlatform(client: pg.Client, { tenants, events }: Purged): Promise<number> {
    const before = daysAgo(this.env.auditRetentionDays);
    return inTransaction(client, async () => {
      const count = await this.deleteInBatches(() =>
        client.query(
          `DELETE FROM platform.audit_events WHERE id = ANY (ARRAY(
             SELECT id FROM platform.audit_events WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2))`,
          [before, BATCH],
        ),
      );
      if (count + events > 0) {
        const details = { count, before: before.toISOString(), tenants, tenant_events: events };
        await this.platformAudit.record(undefined, { event: 'audit.purged', details });
      }
      return count;
    });
  }

  private async deleteInBatches(remove: () => Promise<pg.QueryResult>): Promise<number> {
    let count = 0;
    for (let n = 0; n < MAX_BATCHES && !this.stopping; n += 1) {
      const removed = (await remove()).rowCount ?? 0;
      count += removed;
      if (removed < BATCH) break;
    }
    return count;
  }

  private start(): void {
    this.running = this.purge()
      .then((purged) => this.logger.log({ ...purged }, 'Audit events past their retention removed'))
      .catch((error: unknown) => this.logger.error({ err: error }, 'Old audit events could not be removed'));
  }
}

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** One process at a time for each tenant; the others pass on instead of waiting for its rows. */
async function isOurs(client: pg.Client, tenantId: string): Promise<boolean> {
  const { rows } = await client.query<{ free: boolean }>(
    'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free',
    [`tenantry:audit-retention:${tenantId}`],
  );
  return rows[0]?.free === true;
}

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * DAY_MS);
}
