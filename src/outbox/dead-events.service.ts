import { Injectable } from '@nestjs/common';
import { PlatformAudit } from '../audit/index.js';
import { CursorInvalid, isUuid, type Page } from '../common/index.js';
import { CredentialCodec } from '../tenancy/index.js';
import { OutboxEventNotFound } from './outbox.errors.js';
import { OutboxRelay } from './outbox.relay.js';
import { type DeadEvent, OutboxStore } from './outbox.store.js';

/** Whose cursors they are. */
const NOBODY = '00000000-0000-0000-0000-000000000000';
const CURSOR_OWNER = 'dead-outbox-events';

/** Events that were given up, for platform admins; their payload is never shown. */
@Injectable()
export class DeadEvents {
  constructor(
    private readonly store: OutboxStore,
    private readonly relay: OutboxRelay,
    private readonly audit: PlatformAudit,
    private readonly credentials: CredentialCodec,
  ) {}

  /**
   * Newest first.
   *
   * @throws CursorInvalid
   */
  async list(limit: number, cursor?: string): Promise<Page<DeadEvent>> {
    const before = cursor === undefined ? undefined : this.credentials.openCursor(NOBODY, CURSOR_OWNER, cursor);
    if (cursor !== undefined && before === undefined) throw new CursorInvalid();
    const rows = await this.store.dead(limit + 1, before);
    const last = rows[limit - 1];
    const more = rows.length > limit && last !== undefined;
    return {
      items: rows.slice(0, limit),
      next_cursor: more ? this.credentials.sealCursor(NOBODY, CURSOR_OWNER, last.id) : null,
    };
  }

  /**
   * Hands the event to its handler again, with all its attempts.
   *
   * @throws OutboxEventNotFound when there is none, or it is not dead
   */
  async retry(id: string): Promise<void> {
    if (!isUuid(id)) throw new OutboxEventNotFound();
    // Recorded while the change waits in its transaction: none is ever made without a record.
    const found = await this.store.revive(id, ({ tenantId, type, attempts }) =>
      this.audit.record(undefined, {
        event: 'outbox-event.retried',
        tenantId,
        target: { kind: 'outbox-event', id },
        details: { type, attempts },
      }),
    );
    if (!found) throw new OutboxEventNotFound();
    this.relay.wake();
  }
}
