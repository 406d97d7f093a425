import { Injectable } from '@nestjs/common';
import { AppError, newId } from '../common/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { OutboxEvent } from './outbox-event.entity.js';
import { OutboxRelay } from './outbox.relay.js';
import { OutboxSeal } from './outbox.seal.js';

const MAX_PAYLOAD_BYTES = 256 * 1024;

/** Where a tenant's transaction leaves what is to happen once it has committed, and only then. */
@Injectable()
export class Outbox {
  constructor(
    @InjectTenantRepository(OutboxEvent) private readonly events: TenantRepository<OutboxEvent>,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly seal: OutboxSeal,
    private readonly relay: OutboxRelay,
  ) {}

  /**
   * Adds an event to the current unit of work, or stores it alone. It is handled at least once, in no promised order.
   *
   * @param type what handlers register for
   * @param payload anything JSON can hold, at most 256 KiB
   * @param options.dueAt not handled before
   * @returns the event's id, the same at every attempt
   * @throws TenantContextMissing outside a tenant scope
   */
  async add(type: string, payload: unknown, { dueAt }: { dueAt?: Date } = {}): Promise<string> {
    const tenant = this.context.currentOrThrow('An outbox event');
    const text = JSON.stringify(payload ?? null);
    if (Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) throw tooLarge(type);
    const id = newId();
    const sealed = this.seal.seal(tenant.id, id, text);
    await this.events.insert({ id, type, payload: sealed, ...(dueAt && { nextAttemptAt: dueAt }) });
    this.transaction.afterCommit(() => this.relay.added(tenant));
    return id;
  }
}

function tooLarge(type: string): AppError {
  return new AppError({
    status: 500,
    code: 'outbox_payload_too_large',
    detail: `The payload of an outbox event ${type} is larger than 256 KiB.`,
    remedy: 'Store the data in a table of its own and put its id into the event.',
  });
}
