import { Injectable, Logger, Module, Global, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { newId } from '../common/index.js';
import { InjectPlatformDataSource, TenantContext, TenantRunner } from '../tenancy/index.js';

export interface AuditEvent {
  event: string;
  /** The tenant whose credential was used; never the tenant aimed at. */
  tenantId?: string;
  address?: string;
  details: Record<string, string | undefined>;
}

/** Length of the window in which equal events become one row with a count, in ms. */
const WINDOW_MS = 10_000;
const MAX_KEYS = 10_000;

/** The platform's security log: a log line and a row for the first of its kind, a count for the flood behind it. */
@Injectable()
export class AuditService implements OnApplicationShutdown {
  private readonly logger = new Logger('Audit');
  private readonly recent = new Map<string, { id: string; extra: number; until: number }>();
  private readonly pending = new Set<Promise<unknown>>();
  private readonly timer = setInterval(() => void this.flush(Date.now()), 1000).unref();

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly runner: TenantRunner,
    private readonly context: TenantContext,
  ) {}

  /** Never fails and never delays the request: a failing audit store is logged as an error with the event itself. */
  record(event: AuditEvent): void {
    const now = Date.now();
    const key = `${event.event}|${event.tenantId ?? ''}|${event.details.reason ?? ''}|${event.details.target ?? ''}`;
    const known = this.recent.get(key);
    if (known && known.until > now) {
      known.extra += 1;
      return;
    }
    if (this.recent.size >= MAX_KEYS) void this.flush(Infinity);
    const id = newId();
    this.recent.set(key, { id, extra: 0, until: now + WINDOW_MS });
    const requestId = this.context.requestId();
    this.logger.warn({ audit: event.event, tenant_id: event.tenantId, ...event.details });
    this.track(
      `INSERT INTO audit_events (id, occurred_at, event, tenant_id, request_id, address, details)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, new Date(now), event.event, event.tenantId, requestId, event.address, JSON.stringify(event.details)],
    );
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.flush(Infinity);
    await Promise.all(this.pending);
  }

  private flush(now: number): void {
    for (const [key, entry] of this.recent) {
      if (entry.until > now) continue;
      this.recent.delete(key);
      if (entry.extra > 0) {
        this.track('UPDATE audit_events SET occurrences = $2 WHERE id = $1', [entry.id, entry.extra + 1]);
      }
    }
  }

  private track(sql: string, values: unknown[]): void {
    const work = this.runner
      .runAsPlatform('audit', () => this.platform.query(sql, values))
      .catch((error: unknown) => this.logger.error({ err: error, values }, 'An audit event could not be stored'))
      .finally(() => this.pending.delete(work));
    this.pending.add(work);
  }
}

@Global()
@Module({ providers: [AuditService], exports: [AuditService] })
export class AuditModule {}
