/** Something that waits in a {@link FairQueue}. */
export interface Ticket<T> {
  readonly item: T;
  /** Whose turn it waits for; undefined: nobody's in particular. */
  readonly tenantId: string | undefined;
}

/** Whose share a wait counts against. */
export interface Share {
  tenantId: string;
  /** At least 1: a tenant of weight 2 is served twice as often as one of weight 1 while both wait. */
  weight: number;
}

export interface QueueBounds {
  /** Of one tenant. */
  perTenant: number;
  /** Of all together. */
  total: number;
}

interface Flow<T> {
  readonly tickets: Set<Ticket<T>>;
  weight: number;
  /** What it may still take in this round. */
  deficit: number;
}

const UNBOUNDED: QueueBounds = { perTenant: Infinity, total: Infinity };

/**
 * A queue that serves tenants in rounds, by deficit round robin (Shreedhar and Varghese, 1996) with every item costing
 * one: in each round a tenant is served as often as its weight says, in the order of its own items. However much one
 * tenant has waiting, another waits for at most one round. Every operation takes the
 * same time however many wait, except that `peek` looks once at each tenant that it passes over.
 */
export class FairQueue<T> {
  /** Tenants that have something waiting, in the order of their turns; the first is the one being served. */
  private readonly flows = new Map<string | undefined, Flow<T>>();
  private waiting = 0;

  constructor(private readonly bounds: QueueBounds = UNBOUNDED) {}

  get size(): number {
    return this.waiting;
  }

  /** How much of one tenant's waits. */
  sizeOf(tenantId: string | undefined): number {
    return this.flows.get(tenantId)?.tickets.size ?? 0;
  }

  /**
   * @param share whose; what is nobody's shares one turn, of weight 1 and without a bound of its own
   * @returns undefined when the tenant, or the queue, has as much waiting as it may
   * @throws RangeError for a weight below 1, with which a round might serve nobody
   */
  add(item: T, share?: Share): Ticket<T> | undefined {
    const { tenantId, weight } = share ?? { tenantId: undefined, weight: 1 };
    if (!(weight >= 1 && weight < Infinity)) throw new RangeError('A weight is at least 1.');
    if (this.waiting >= this.bounds.total) return undefined;
    let flow = this.flows.get(tenantId);
    if (flow && tenantId !== undefined && flow.tickets.size >= this.bounds.perTenant) return undefined;
    if (!flow) {
      if (tenantId !== undefined && this.bounds.perTenant < 1) return undefined;
      flow = { tickets: new Set(), weight, deficit: weight };
      this.flows.set(tenantId, flow);
    }
    flow.weight = weight;
    const ticket = { item, tenantId };
    flow.tickets.add(ticket);
    this.waiting += 1;
    return ticket;
  }

  /**
   * Whose turn it is, left where it is.
   *
   * @param admits passes over tenants whose first item cannot be served now; they keep their turn
   */
  peek(admits?: (item: T) => boolean): Ticket<T> | undefined {
    for (const [tenantId, { tickets }] of this.flows) {
      for (const ticket of tickets) {
        if (!admits || admits(ticket.item)) return ticket;
        // Behind what is nobody's in particular, something else of the kind may be served; a tenant keeps its order.
        if (tenantId !== undefined) break;
      }
    }
    return undefined;
  }

  /** Takes out what is served now, against its tenant's share. @returns whether it was still waiting */
  serve(ticket: Ticket<T>): boolean {
    const flow = this.flows.get(ticket.tenantId);
    if (!flow || !this.remove(ticket)) return false;
    flow.deficit -= 1;
    // With nothing left it is gone, and what it has saved with it: credit is for those who wait.
    if (flow.deficit < 1 && flow.tickets.size > 0) {
      flow.deficit += flow.weight;
      this.flows.delete(ticket.tenantId);
      this.flows.set(ticket.tenantId, flow);
    }
    return true;
  }

  /** The next, taken out. */
  next(): T | undefined {
    const ticket = this.peek();
    if (ticket) this.serve(ticket);
    return ticket?.item;
  }

  /** Takes out what does not wait any more, at no cost to its tenant. @returns whether it was still waiting */
  remove(ticket: Ticket<T>): boolean {
    const flow = this.flows.get(ticket.tenantId);
    if (!flow?.tickets.delete(ticket)) return false;
    this.waiting -= 1;
    if (flow.tickets.size === 0) this.flows.delete(ticket.tenantId);
    return true;
  }

  /** All that waits, taken out. */
  drain(): T[] {
    const items = [...this.flows.values()].flatMap(({ tickets }) => [...tickets].map(({ item }) => item));
    this.flows.clear();
    this.waiting = 0;
    return items;
  }
}
