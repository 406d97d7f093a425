import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource, TenantContext } from '../tenancy/index.js';
import { storableText } from './audit.content.js';
import { type AuditEntry, type AuditInput, entryOf, originOf } from './audit.entry.js';

export interface PlatformAuditInput extends AuditInput {
  /** The tenant that the event is about. */
  tenantId?: string;
  /** Why, in the words of the platform admin. */
  reason?: string;
}

/** The control plane's log: what platform admins and the platform itself did. */
@Injectable()
export class PlatformAudit {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly context: TenantContext,
  ) {}

  /** @param manager of the transaction of the change itself; undefined: a transaction of its own */
  async record(manager: EntityManager | undefined, input: PlatformAuditInput): Promise<void> {
    await this.insert(entryOf(input, originOf(this.context)), input, manager);
  }

  /** For events whose origin is not the current scope's. */
  async insert(
    entry: AuditEntry,
    { tenantId, reason }: Pick<PlatformAuditInput, 'tenantId' | 'reason'>,
    manager: Pick<EntityManager, 'query'> = this.platform,
  ): Promise<void> {
    await manager.query(
      `INSERT INTO audit_events (id, occurred_at, event, tenant_id, actor_kind, actor_id, actor_name, impersonator_id,
         impersonator_name, target_kind, target_id, before, after, details, reason, address, request_id, occurrences)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($14::jsonb, '{}'), $15, $16, $17, $18)`,
      [
        entry.id,
        entry.occurredAt,
        entry.event,
        tenantId,
        entry.actorKind,
        entry.actorId,
        entry.actorName,
        entry.impersonatorId,
        entry.impersonatorName,
        entry.targetKind,
        entry.targetId,
        json(entry.before),
        json(entry.after),
        json(entry.details),
        reason === undefined ? null : storableText(reason, 1000),
        entry.address,
        entry.requestId,
        entry.occurrences,
      ],
    );
  }

  /** What a flood came to, once its window has passed. */
  async setOccurrences(id: string, occurrences: number): Promise<void> {
    await this.platform.query('UPDATE audit_events SET occurrences = $2 WHERE id = $1', [id, occurrences]);
  }
}

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
