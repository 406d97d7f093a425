import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { newId, timeOf } from '../common/index.js';
import { type Actor, TenantContext, TenantRunner } from '../tenancy/index.js';
import { type AuditEntry, type AuditTarget, entryOf, originOf } from './audit.entry.js';
import { PlatformAudit } from './platform.audit.js';
import { TenantSecurityLog } from './tenant.security-log.js';

export interface AuditEvent {
  event: string;
  /** The tenant whose credential was used; never the tenant aimed at. */
  tenantId?: string;
  /** Whose credential was used; default: who acts in the current scope, when that scope is this tenant's. */
  actor?: Actor;
  target?: AuditTarget;
  address?: string;
  details: Record<string, string | undefined>;
}

/** Length of the window in which equal events are counted instead of stored again, in ms. */
const WINDOW_MS = 10_000;
const MAX_KEYS = 10_000;

interface Flood {
  entry: AuditEntry;
  tenantId: string | undefined;
  extra: number;
  until: number;
}

/**
 * Security events: a log line, a row in the platform's log and one in the log of the tenant whose credential was used.
 *
 * Of equal events within ten seconds the first is stored at once. The platform's row is given the count when the window
 * ends; the tenant's log takes no change, so a second row there says how many more there were: `occurrences` of both
 * add up to all.
 */
@Injectable()
export class AuditService implements OnApplicationShutdown {
  private readonly logger = new Logger('Audit');
  private readonly recent = new Map<string, Flood>();
  private readonly pending = new Set<Promise<unknown>>();
  private readonly timer = setInterval(() => this.tick(), 1000).unref();

  constructor(
    private readonly platform: PlatformAudit,
    private readonly tenants: TenantSecurityLog,
    private readonly runner: TenantRunner,
    private readonly context: TenantContext,
  ) {}

  /** Never fails and never delays the request: a failing audit store is logged as an error with the event itself. */
  record(event: AuditEvent): void {
    const now = Date.now();
    const { details, tenantId } = event;
    const entry = this.entryOf(event);
    const key = keyOf(entry, tenantId, details);
    const known = this.recent.get(key);
    if (known && known.until > now) {
      known.extra += 1;
      return;
    }
    if (known) this.close(key, known);
    if (this.recent.size >= MAX_KEYS) this.closeEnded(Infinity);
    this.recent.set(key, { entry, tenantId, extra: 0, until: now + WINDOW_MS });
    this.logger.warn({ audit: event.event, tenant_id: tenantId, ...details });
    this.track(entry, () => this.platform.insert(entry, { tenantId }));
    if (tenantId !== undefined) this.tenants.add(tenantId, entry);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.closeEnded(Infinity);
    await Promise.all([...this.pending, this.tenants.end()]);
  }

  private entryOf({ event, tenantId, actor, target, address, details }: AuditEvent): AuditEntry {
    const scope = originOf(this.context);
    const own = this.context.current()?.id === tenantId;
    return entryOf(
      { event, target, details },
      { ...scope, actor: actor ?? (own ? scope.actor : undefined), address: address ?? scope.address },
    );
  }

  private tick(): void {
    this.closeEnded(Date.now());
    this.tenants.drain();
  }

  private closeEnded(now: number): void {
    for (const [key, flood] of this.recent) if (flood.until <= now) this.close(key, flood);
  }

  private close(key: string, { entry, tenantId, extra }: Flood): void {
    this.recent.delete(key);
    if (extra === 0) return;
    this.track(entry, () => this.platform.setOccurrences(entry.id, extra + 1));
    if (tenantId === undefined) return;
    const id = newId();
    this.tenants.add(tenantId, { ...entry, id, occurredAt: timeOf(id), occurrences: extra });
  }

  private track(entry: AuditEntry, write: () => Promise<void>): void {
    const work = this.runner
      .runAsPlatform('audit', write)
      .catch((error: unknown) => this.logger.error({ err: error, audit: entry }, 'An audit event could not be stored'))
      .finally(() => this.pending.delete(work));
    this.pending.add(work);
  }
}

/** Events are equal when the same one does the same to the same by the same route; address and time may differ. */
function keyOf(
  { event, actorKind, actorId, impersonatorId, targetKind, targetId }: AuditEntry,
  tenantId: string | undefined,
  { reason, target, method, route }: AuditEvent['details'],
): string {
  const actor = [actorKind, actorId, impersonatorId];
  return JSON.stringify([event, tenantId, ...actor, reason, target, method, route, targetKind, targetId]);
}
