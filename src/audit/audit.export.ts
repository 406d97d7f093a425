import { stringify } from 'csv-stringify/sync';
import type { Json } from './audit.content.js';
import type { AuditEntry } from './audit.entry.js';
import type { TenantAuditEvent } from './tenant-audit-event.entity.js';

export type AuditExportFormat = 'csv' | 'jsonl';

/** An event as clients see it. */
export interface AuditEventJson {
  id: string;
  occurred_at: string;
  event: string;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string | null;
  impersonator_id: string | null;
  impersonator_name: string | null;
  target_kind: string | null;
  target_id: string | null;
  before: Json | null;
  after: Json | null;
  details: Json | null;
  address: string | null;
  request_id: string | null;
  occurrences: number;
}

const COLUMNS: (keyof AuditEventJson)[] = [
  'id',
  'occurred_at',
  'event',
  'actor_kind',
  'actor_id',
  'actor_name',
  'impersonator_id',
  'impersonator_name',
  'target_kind',
  'target_id',
  'before',
  'after',
  'details',
  'address',
  'request_id',
  'occurrences',
];

export function auditEventJson(event: AuditEntry): AuditEventJson {
  return {
    id: event.id,
    occurred_at: event.occurredAt.toISOString(),
    event: event.event,
    actor_kind: event.actorKind,
    actor_id: event.actorId,
    actor_name: event.actorName,
    impersonator_id: event.impersonatorId,
    impersonator_name: event.impersonatorName,
    target_kind: event.targetKind,
    target_id: event.targetId,
    before: event.before,
    after: event.after,
    details: event.details,
    address: event.address,
    request_id: event.requestId,
    occurrences: event.occurrences,
  };
}

/** Turns pages of events into text, a page at a time. */
export async function* exportText(
  pages: AsyncIterable<TenantAuditEvent[]>,
  format: AuditExportFormat,
): AsyncGenerator<string> {
  if (format === 'csv') yield csv([COLUMNS]);
  for await (const page of pages) {
    const events = page.map(auditEventJson);
    yield format === 'csv' ? csv(events.map(cellsOf)) : events.map((event) => `${JSON.stringify(event)}\n`).join('');
  }
}

/**
 * RFC 4180, every cell in quotes. A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP,
 * CSV injection): whoever names himself `=…` must not run anything on the machine of the admin who opens the export.
 */
export function csv(rows: (string | number | null)[][]): string {
  return stringify(rows, { record_delimiter: 'windows', escape_formulas: true, quoted: true, quoted_empty: true });
}

function cellsOf(event: AuditEventJson): (string | number | null)[] {
  return COLUMNS.map((column) => {
    const value = event[column];
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as string | number | null);
  });
}
