import { FairQueue, type Share, type Ticket, TenantBusy } from '../tenancy/index.js';
import type { QueueCounts } from './fairness.metrics.js';

interface Waiter {
  readonly tenantId: string;
  readonly go: () => void;
}

/**
 * Slots for something that all tenants use and that bears only so much at a time. While some wait, tenants are served in
 * shares by weight. Three quarters are the most that one tenant holds, so that work that takes long keeps nobody out.
 */
export class FairSlots {
  private running = 0;
  private readonly heldBy = new Map<string, number>();
  private readonly queue: FairQueue<Waiter>;
  /** Of one tenant. */
  private readonly most: number;

  /** @param slots in all @param waitersPerTenant how many of one tenant may wait */
  constructor(
    private readonly slots: number,
    waitersPerTenant: number,
  ) {
    this.most = Math.max(1, Math.floor((slots * 3) / 4));
    this.queue = new FairQueue({ perTenant: waitersPerTenant, total: Infinity });
  }

  /**
   * Runs `work` when its turn has come.
   *
   * @param signals any of which ends the wait; what already runs is not stopped by them
   * @throws TenantBusy when too many of the tenant wait; a signal's reason; what `work` throws
   */
  async run<T>(share: Share, work: () => Promise<T>, ...signals: AbortSignal[]): Promise<T> {
    for (const signal of signals) signal.throwIfAborted();
    const { tenantId } = share;
    // Whoever waits has the first right to what is free, unless it is kept from it by its own.
    if (this.admits(tenantId) && !this.peek()) this.take(tenantId);
    else await this.wait(share, signals);
    try {
      return await work();
    } finally {
      this.give(tenantId);
    }
  }

  counts(): QueueCounts {
    return { running: this.running, waiting: this.queue.size };
  }

  private wait(share: Share, signals: AbortSignal[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (event: Event): void => {
        if (!this.queue.remove(ticket!)) return;
        stopListening();
        reject((event.target as AbortSignal).reason as Error);
      };
      const stopListening = (): void => signals.forEach((signal) => signal.removeEventListener('abort', leave));
      const go = (): void => {
        stopListening();
        resolve();
      };
      const ticket = this.queue.add({ tenantId: share.tenantId, go }, share);
      if (!ticket) return reject(new TenantBusy());
      for (const signal of signals) signal.addEventListener('abort', leave);
      this.serve();
    });
  }

  private peek(): Ticket<Waiter> | undefined {
    return this.queue.size === 0 ? undefined : this.queue.peek(({ tenantId }) => this.admits(tenantId));
  }

  private admits(tenantId: string): boolean {
    return this.running < this.slots && (this.heldBy.get(tenantId) ?? 0) < this.most;
  }

  private take(tenantId: string): void {
    this.running += 1;
    this.heldBy.set(tenantId, (this.heldBy.get(tenantId) ?? 0) + 1);
  }

  private give(tenantId: string): void {
    this.running -= 1;
    const left = this.heldBy.get(tenantId)! - 1;
    if (left > 0) this.heldBy.set(tenantId, left);
    else this.heldBy.delete(tenantId);
    this.serve();
  }

  private serve(): void {
    for (let ticket = this.peek(); ticket; ticket = this.peek()) {
      this.queue.serve(ticket);
      this.take(ticket.item.tenantId);
      ticket.item.go();
    }
  }
}
