import { Injectable, Logger } from '@nestjs/common';
import { PlatformAudit } from '../audit/index.js';
import { isUuid, type Page } from '../common/index.js';
import { type OwnPlace, placeOf, PlatformCursors } from '../tenancy/index.js';
import { OutboxEventNotFound } from './outbox.errors.js';
import { OutboxRelay } from './outbox.relay.js';
import type { DeadEvent, OutboxTable } from './outbox.table.js';
import { OutboxTables } from './outbox.tables.js';

/** What cursors are sealed with. */
const LIST = 'dead-outbox-events';

/** Events that were given up, for platform admins; their payload is never shown. */
@Injectable()
export class DeadEvents {
  private readonly logger = new Logger('Outbox');

  constructor(
    private readonly tables: OutboxTables,
    private readonly relay: OutboxRelay,
    private readonly audit: PlatformAudit,
    private readonly cursors: PlatformCursors,
  ) {}

  /**
   * Newest first.
   *
   * @throws CursorInvalid
   */
  async list(limit: number, cursor?: string): Promise<Page<DeadEvent>> {
    const before = this.cursors.open(LIST, cursor);
    const rows: DeadEvent[] = await this.tables.shared.dead(limit + 1, before);
    await this.elsewhere(async (table) => void rows.push(...(await table.dead(limit + 1, before))));
    rows.sort((a, b) => (a.id < b.id ? 1 : -1));
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /**
   * Hands the event to its handler again, with all its attempts.
   *
   * @throws OutboxEventNotFound when there is none, or it is not dead
   */
  async retry(id: string): Promise<void> {
    if (!isUuid(id)) throw new OutboxEventNotFound();
    // Recorded while the change waits in its transaction: none is ever made without a record.
    const record = ({ tenantId, type, attempts }: Pick<DeadEvent, 'tenantId' | 'type' | 'attempts'>): Promise<void> =>
      this.audit.record(undefined, {
        event: 'outbox-event.retried',
        tenantId,
        target: { kind: 'outbox-event', id },
        details: { type, attempts },
      });
    let found = await this.tables.shared.revive(id, record);
    if (!found) {
      await this.elsewhere(async (table, tenant) => {
        if (found || !(await table.revive(id, record))) return;
        found = true;
        this.relay.ring(tenant);
      });
    }
    if (!found) throw new OutboxEventNotFound();
    this.relay.wake();
  }

  /** Asks one outbox of tenants' own after the other. One that cannot be read hides its own events, and no others. */
  private async elsewhere(ask: (table: OutboxTable, place: OwnPlace) => Promise<void>): Promise<void> {
    const asked = new Set<string>();
    for await (const place of this.tables.elsewhere()) {
      const where = placeOf(place.placement);
      if (asked.has(where)) continue;
      asked.add(where);
      try {
        await ask(this.tables.at(place.placement), place);
      } catch (error) {
        this.logger.warn({ err: error, tenant_id: place.tenantId }, "A tenant's outbox cannot be read");
      }
    }
  }
}
