import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { firstIdAt, type Page } from '../common/index.js';
import { InjectPlatformDataSource, PlatformCursors } from '../tenancy/index.js';
import type { AuditEntry } from './audit.entry.js';
import type { AuditFilter } from './audit.query.js';

export interface PlatformAuditFilter extends AuditFilter {
  /** The tenant that the event is about. */
  tenantId?: string;
}

export interface PlatformAuditEvent extends AuditEntry {
  tenantId: string | null;
  reason: string | null;
}

/** What cursors are sealed with. */
const LIST = 'platform-audit';

/** Reads the platform's log, newest first. */
@Injectable()
export class PlatformAuditQuery {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly cursors: PlatformCursors,
  ) {}

  /**
   * @param limit events to a page
   * @throws CursorInvalid
   */
  async list(filter: PlatformAuditFilter, limit: number, cursor?: string): Promise<Page<PlatformAuditEvent>> {
    const rows = await this.read(filter, limit + 1, this.cursors.open(LIST, cursor));
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** What is not asked for is null: statements are planned with their values, so such a condition costs nothing. */
  private read(filter: PlatformAuditFilter, limit: number, before: string | undefined): Promise<PlatformAuditEvent[]> {
    const { event, actorKind, actorId, targetKind, targetId, tenantId, from, to } = filter;
    return this.platform.query<PlatformAuditEvent[]>(
      `SELECT id, occurred_at AS "occurredAt", event, tenant_id AS "tenantId", actor_kind AS "actorKind",
              actor_id AS "actorId", actor_name AS "actorName", impersonator_id AS "impersonatorId",
              impersonator_name AS "impersonatorName", target_kind AS "targetKind", target_id AS "targetId",
              before, after, details, reason, address, request_id AS "requestId", occurrences
         FROM audit_events
        WHERE ($1::text IS NULL OR starts_with(event, $1)) AND ($2::text IS NULL OR actor_kind = $2)
          AND ($3::text IS NULL OR actor_id = $3) AND ($4::text IS NULL OR target_kind = $4)
          AND ($5::text IS NULL OR target_id = $5) AND ($6::uuid IS NULL OR tenant_id = $6)
          AND ($7::uuid IS NULL OR id >= $7) AND ($8::uuid IS NULL OR id < $8) AND ($9::uuid IS NULL OR id < $9)
        ORDER BY id DESC LIMIT $10`,
      [
        event,
        actorKind,
        actorId,
        targetKind,
        targetId,
        tenantId,
        from && firstIdAt(from),
        to && firstIdAt(to),
        before,
        limit,
      ],
    );
  }
}
