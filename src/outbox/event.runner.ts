import { Injectable, Logger } from '@nestjs/common';
import { placesOf, reasonOf } from '../common/index.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { OutboxFailure, OutboxHandlers } from './outbox.handlers.js';
import { OutboxSeal } from './outbox.seal.js';
import type { ClaimedEvent, OutboxTable } from './outbox.table.js';
import { OutboxTables } from './outbox.tables.js';

/** Events handled at once in this process, and of these how many of one tenant. */
export const CONCURRENCY = 16;
export const PER_TENANT = 4;
const MAX_ATTEMPTS = 10;
export const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 4;
/** A handler is asked to end after this long, in ms. */
const HANDLER_MS = 120_000;
/** At shutdown, how long handlers may finish before they are asked to end, in ms. */
const DRAIN_MS = 10_000;

interface Running {
  event: ClaimedEvent;
  /** Where it was claimed; it goes along when its tenant moves. */
  table: OutboxTable;
  abort: AbortController;
  /** By this process's monotonic clock, started before the database's. */
  leaseUntil: number;
  done: Promise<void>;
}

/**
 * Runs the handlers of claimed events. A claim is a lease: it is committed before the handler starts, so that no transaction
 * is open meanwhile, and renewed while the handler runs, so that no other relay has it too.
 */
@Injectable()
export class EventRunner {
  private readonly logger = new Logger('Outbox');
  private readonly running = new Map<string, Running>();
  private renewal: NodeJS.Timeout | undefined;

  constructor(
    private readonly handlers: OutboxHandlers,
    private readonly seal: OutboxSeal,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly tables: OutboxTables,
  ) {}

  /** How many run. */
  get size(): number {
    return this.running.size;
  }

  /** How many of each tenant run. */
  busy(): Map<string, number> {
    const busy = new Map<string, number>();
    for (const { event } of this.running.values()) busy.set(event.tenantId, (busy.get(event.tenantId) ?? 0) + 1);
    return busy;
  }

  /**
   * @param table where the event was claimed
   * @param leaseUntil by this process's monotonic clock
   * @param ended called when its outcome is stored, or could not be
   */
  start(event: ClaimedEvent, table: OutboxTable, leaseUntil: number, ended: () => void): void {
    this.renewal ??= setInterval(() => void this.renew(), RENEW_MS).unref();
    const abort = new AbortController();
    const late = setTimeout(() => abort.abort(new OutboxFailure('took too long')), HANDLER_MS);
    const done = this.handle(event, table, abort.signal)
      .catch((error: unknown) => {
        // The lease runs out and the event is handled again.
        this.logger.error({ err: error, outbox_event: event.id }, 'The outcome of an event could not be stored');
      })
      .finally(() => {
        clearTimeout(late);
        this.running.delete(event.id);
        ended();
      });
    this.running.set(event.id, { event, table, abort, leaseUntil, done });
  }

  /** Resolves when none runs any more; those that take too long are asked to end. */
  async drain(): Promise<void> {
    const late = setTimeout(() => {
      for (const { abort } of this.running.values()) abort.abort(new OutboxFailure('the process stopped'));
    }, DRAIN_MS);
    await Promise.all([...this.running.values()].map(({ done }) => done));
    clearTimeout(late);
    clearInterval(this.renewal);
  }

  private async handle(event: ClaimedEvent, table: OutboxTable, signal: AbortSignal): Promise<void> {
    try {
      const tenant = await this.tenants.findById(event.tenantId);
      if (!tenant || tenant.status === 'deleted') throw new OutboxFailure('the tenant is gone', true);
      const handler = this.handlers.find(event.type);
      if (!handler) throw new OutboxFailure('no handler');
      const payload = this.open(event);
      await this.runner.run(tenant, () => handler({ id: event.id, payload, attempt: event.attempts, signal }));
    } catch (error) {
      await this.fail(event, table, error);
      return;
    }
    await this.tables.follow(event.tenantId, table, (there) => there.done(event));
  }

  private open(event: ClaimedEvent): unknown {
    try {
      return JSON.parse(this.seal.open(event.tenantId, event.id, event.payload));
    } catch {
      throw new OutboxFailure('the payload does not open', true);
    }
  }

  private async fail(event: ClaimedEvent, table: OutboxTable, error: unknown): Promise<void> {
    const reason = reasonOf(error);
    const permanent = error instanceof OutboxFailure && error.permanent;
    const dead = permanent || event.attempts >= MAX_ATTEMPTS;
    const line = {
      outbox_event: event.id,
      type: event.type,
      tenant_id: event.tenantId,
      attempt: event.attempts,
      reason,
      // And no message, which may quote the payload.
      at: placesOf(error),
    };
    if (dead) this.logger.error(line, 'An event was given up');
    else this.logger.warn(line, 'An event failed and will be tried again');
    const retry = dead ? undefined : retryMs(event.attempts);
    await this.tables.follow(event.tenantId, table, (there) => there.failed(event, reason, retry));
  }

  private async renew(): Promise<void> {
    const byTenant = Map.groupBy(this.running.values(), ({ event }) => event.tenantId);
    await Promise.all([...byTenant].map(([tenantId, held]) => this.renewOf(tenantId, held)));
  }

  private async renewOf(tenantId: string, held: Running[]): Promise<void> {
    const byTable = Map.groupBy(held, ({ table }) => table);
    await Promise.all([...byTable].map(([table, some]) => this.renewAt(tenantId, table, some)));
  }

  private async renewAt(tenantId: string, table: OutboxTable, held: Running[]): Promise<void> {
    const leaseUntil = performance.now() + LEASE_MS;
    const claims = held.map(({ event }) => event);
    let kept: Set<string> | undefined;
    try {
      kept = await this.tables.follow(tenantId, table, (there) => there.renew(tenantId, claims, LEASE_MS));
    } catch (error) {
      this.logger.error({ err: error }, 'Leases could not be renewed');
    }
    for (const running of held) {
      if (kept?.has(running.event.id)) running.leaseUntil = leaseUntil;
      else if (kept || running.leaseUntil - performance.now() < RENEW_MS * 2) {
        running.abort.abort(new OutboxFailure('the lease was lost'));
      }
    }
  }
}

/** Exponential with jitter: 1 s, 4 s, 16 s … at most an hour. Ten attempts span about three hours. */
function retryMs(attempts: number): number {
  const full = Math.min(1000 * 4 ** (attempts - 1), 3_600_000);
  return full * (0.75 + Math.random() / 2);
}
