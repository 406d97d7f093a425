import type { PoolClient } from 'pg';
import type { FairQueue, Ticket } from './fair.queue.js';
import { type Reserve, roomFor } from './plan.reserves.js';

const NOTHING: Reserve = new Map();

/** Connections that places share the right to. */
export class Budget {
  /** Those that are being closed included: the server counts them until they are gone. */
  open = 0;
  /** Idle connections, the least recently used first. */
  readonly idle = new Set<Held>();
  /** Places that somebody waits for, in the order in which they are served. */
  readonly waiting = new Set<Place>();
  private readonly leased = new Map<string | undefined, number>();

  /**
   * @param max connections at most, at all its places together
   * @param reserve what of them stays free for whom
   */
  constructor(
    readonly name: string,
    readonly max: number,
    private readonly reserve: () => Reserve = () => NOTHING,
  ) {}

  /** Whether tenants of that plan may have one more in use. */
  admits(plan: string | undefined): boolean {
    const reserve = this.reserve();
    return reserve.size === 0 || roomFor(plan, this.max, this.leased, reserve) > 0;
  }

  /** @param more in use by tenants of that plan, or fewer */
  count(plan: string | undefined, more: 1 | -1): void {
    this.leased.set(plan, (this.leased.get(plan) ?? 0) + more);
  }
}

/** Where connections lead. */
export interface ConnectionTarget {
  /** The same for all that share connections. */
  readonly key: string;
  readonly connectionString: string;
  /** Connections to this target at most. */
  readonly max: number;
  readonly budget: Budget;
}

export interface Waiter {
  readonly plan: string | undefined;
  resolve(client: PoolClient): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
}

export interface Place {
  readonly target: ConnectionTarget;
  readonly idle: Held[];
  /** Tenants that share the place wait in shares by weight. */
  readonly waiters: FairQueue<Waiter>;
  open: number;
  /** Connections of others that are being closed for its sake. */
  closing: number;
  /** Why it could not be reached just now, and until when nobody tries again. */
  failure?: { error: unknown; until: number };
}

export interface Held {
  readonly client: PoolClient;
  readonly place: Place;
  readonly closeAt: number;
  leased: boolean;
  /** Of the tenant that it is leased to. */
  plan: string | undefined;
  dead: boolean;
  idleSince: number;
}

export function lease(held: Held, plan: string | undefined): void {
  held.leased = true;
  held.plan = plan;
  held.place.target.budget.count(plan, 1);
}

export function giveBack(held: Held): void {
  held.leased = false;
  held.place.target.budget.count(held.plan, -1);
}

export function firstAdmitted({ waiters, target: { budget } }: Place): Ticket<Waiter> | undefined {
  const plans = new Map<string | undefined, boolean>();
  return waiters.peek(({ plan }) => {
    // Hundreds of tenants may wait, of a few plans.
    let admitted = plans.get(plan);
    if (admitted === undefined) plans.set(plan, (admitted = budget.admits(plan)));
    return admitted;
  });
}
