import type { Socket } from 'node:net';
import pg, { type ClientConfig, type PoolClient } from 'pg';
import {
  type Budget,
  type ConnectionTarget,
  firstAdmitted,
  giveBack,
  type Held,
  lease,
  type Place,
  type Waiter,
} from './connection.budget.js';
import { FairQueue, type Share, type Ticket } from './fair.queue.js';
import { ConnectionsExhausted, TenantBusy } from './tenancy.errors.js';

export interface BrokerOptions {
  /** How long a caller waits for a connection, in ms. */
  waitMs: number;
  /** Idle connections are closed after this long, in ms. */
  idleMs: number;
  /** Connections are closed after this long, in ms, give or take a tenth: catalogue caches grow with age. */
  lifeMs: number;
  /** After a connection could not be opened, callers get the same answer for this long, in ms. */
  failureMs: number;
  /** Callers of one tenant that may wait for one place. */
  waitersPerTenant: number;
}

const DEFAULTS: BrokerOptions = {
  waitMs: 10_000,
  idleMs: 60_000,
  lifeMs: 3_600_000,
  failureMs: 1000,
  waitersPerTenant: 1024,
};
const SWEEP_MS = 5000;
/** How long a connection may take to say good-bye, in ms; a server that is gone never answers. */
const CLOSE_MS = 2000;

/**
 * Keeps connections to many places within budgets. A place that needs one when its budget is spent gets that of the
 * least recently used idle one of another; when none is idle, places are served in turns. A connection in use is never
 * closed. Tenants that wait for the same place are served in shares by weight.
 */
export class ConnectionBroker {
  private readonly places = new Map<string, Place>();
  private readonly held = new Set<Held>();
  private readonly options: BrokerOptions;
  private sweep: NodeJS.Timeout | undefined;
  private ending: { done: () => void } | undefined;

  /** @param config of every connection */
  constructor(
    private readonly config: ClientConfig,
    options: Partial<BrokerOptions> = {},
  ) {
    this.options = { ...DEFAULTS, ...options };
  }

  /**
   * A connection that is the caller's until `release`, which closes it when given an error.
   *
   * @param plan of the tenant that it is for: some are kept for tenants of some plans
   * @param share whose wait it is; without one, all such callers share a turn
   * @throws ConnectionsExhausted when none came free in time; TenantBusy when too many of the tenant wait already; what
   *   opening one throws
   */
  async acquire(target: ConnectionTarget, plan?: string, share?: Share): Promise<PoolClient> {
    if (this.ending) throw new Error('Connections are being closed.');
    const place = this.placeOf(target);
    const admitted = target.budget.admits(plan);
    const idle = admitted ? this.takeIdle(place, plan) : undefined;
    if (idle) return idle.client;
    if (place.failure && place.failure.until > Date.now()) throw place.failure.error;
    // Whoever came before has the first right to what is free.
    if (admitted && target.budget.waiting.size === 0 && this.makeRoom(place)) {
      return (await this.open(place, plan)).client;
    }
    return this.wait(place, plan, share);
  }

  /** @returns connections by state, in all budgets together */
  counts(): { total: number; idle: number; waiting: number } {
    let idle = 0;
    let waiting = 0;
    for (const place of this.places.values()) {
      idle += place.idle.length;
      waiting += place.waiters.size;
    }
    return { total: this.held.size, idle, waiting };
  }

  /** Closes what is idle of a target, and what is in use when it is released. */
  forget(key: string): void {
    const place = this.places.get(key);
    if (!place) return;
    this.places.delete(key);
    for (const held of this.held) if (held.place === place) held.dead = true;
    for (const held of [...place.idle]) this.close(held);
  }

  /** Closes idle connections now and the others when they are released, or have not been in time; whoever waits is refused. */
  async end(): Promise<void> {
    clearInterval(this.sweep);
    const closed = new Promise<void>((done) => (this.ending = { done }));
    for (const place of this.places.values()) {
      this.refuseAll(place, new Error('Connections are being closed.'));
      for (const held of [...place.idle]) this.close(held);
    }
    if (this.held.size === 0) return;
    const late = setTimeout(() => [...this.held].forEach((held) => this.close(held)), this.options.waitMs);
    await closed;
    clearTimeout(late);
  }

  private placeOf(target: ConnectionTarget): Place {
    let place = this.places.get(target.key);
    if (!place) {
      place = { target, idle: [], waiters: this.newQueue(), open: 0, closing: 0 };
      this.places.set(target.key, place);
      this.sweep ??= setInterval(() => this.closeOld(), SWEEP_MS).unref();
    }
    return place;
  }

  /** The most recently used: the others may then grow old enough to be closed. */
  private takeIdle(place: Place, plan: string | undefined): Held | undefined {
    for (let held = place.idle.pop(); held; held = place.idle.pop()) {
      place.target.budget.idle.delete(held);
      if (!held.dead) {
        lease(held, plan);
        return held;
      }
      this.close(held);
    }
    return undefined;
  }

  /** @returns whether a connection to `place` may be opened now; for its waiters idle ones of others are closed first */
  private makeRoom(place: Place): boolean {
    const { budget, max } = place.target;
    if (place.open >= max) return false;
    if (budget.open < budget.max) return true;
    const [oldest] = budget.idle;
    if (oldest && place.closing < place.waiters.size) {
      place.closing += 1;
      this.close(oldest, () => (place.closing -= 1));
    }
    return false;
  }

  private async open(place: Place, plan: string | undefined): Promise<Held> {
    const { target } = place;
    place.open += 1;
    target.budget.open += 1;
    const client = new pg.Client({ ...this.config, connectionString: target.connectionString }) as PoolClient;
    const life = this.options.lifeMs * (0.9 + Math.random() / 5);
    const closeAt = Date.now() + life;
    const held: Held = { client, place, closeAt, leased: false, plan: undefined, dead: false, idleSince: 0 };
    lease(held, plan);
    this.held.add(held);
    // A connection that is lost says so by an event that would end the process if nobody listened. In use, its statement
    // fails; idle, it is taken out.
    client.on('error', () => {
      held.dead = true;
      if (!held.leased) this.close(held);
    });
    client.release = (error) => this.release(held, error);
    try {
      await client.connect();
      delete place.failure;
      return held;
    } catch (error) {
      place.failure = { error, until: Date.now() + this.options.failureMs };
      giveBack(held);
      this.close(held);
      this.refuseAll(place, error);
      this.serve(target.budget);
      throw error;
    }
  }

  private newQueue(): FairQueue<Waiter> {
    return new FairQueue({ perTenant: this.options.waitersPerTenant, total: Infinity });
  }

  private wait(place: Place, plan: string | undefined, share: Share | undefined): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.unqueue(place, () => place.waiters.remove(ticket!));
        reject(new ConnectionsExhausted());
      };
      const timer = setTimeout(late, this.options.waitMs).unref();
      const ticket = place.waiters.add({ plan, resolve, reject, timer }, share);
      if (!ticket) {
        clearTimeout(timer);
        return reject(new TenantBusy());
      }
      place.target.budget.waiting.add(place);
      this.serve(place.target.budget);
    });
  }

  private refuseAll(place: Place, error: unknown): void {
    const waiters = place.waiters.drain();
    place.target.budget.waiting.delete(place);
    for (const waiter of waiters) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }

  private unqueue(place: Place, take: () => void): void {
    take();
    if (place.waiters.size === 0) place.target.budget.waiting.delete(place);
  }

  private release(held: Held, error?: Error | boolean): void {
    if (!held.leased) throw new Error('The connection was released before.');
    const { place } = held;
    const { budget } = place.target;
    giveBack(held);
    held.idleSince = Date.now();
    if (error || held.dead || this.ending || held.idleSince > held.closeAt) {
      this.close(held);
    } else {
      place.idle.push(held);
      budget.idle.add(held);
    }
    if (budget.waiting.size > 0) this.serve(budget);
  }

  /** Serves waiting places in turns, as long as there is something to give. */
  private serve(budget: Budget): void {
    let skipped = 0;
    while (budget.waiting.size > skipped) {
      // Those that could not be served go behind the others, so the first is always one not yet looked at.
      const [place] = budget.waiting as Set<Place> & Iterable<Place>;
      // What is left may be kept for others than the first.
      const ticket: Ticket<Waiter> | undefined = firstAdmitted(place!);
      const waiter = ticket?.item;
      const idle = waiter && this.takeIdle(place!, waiter.plan);
      if (waiter && (idle || this.makeRoom(place!))) {
        clearTimeout(waiter.timer);
        this.unqueue(place!, () => place!.waiters.serve(ticket));
        if (idle) waiter.resolve(idle.client);
        else this.open(place!, waiter.plan).then(({ client }) => waiter.resolve(client), waiter.reject.bind(waiter));
        skipped = 0;
      } else {
        skipped += 1;
      }
      if (budget.waiting.delete(place!) && place!.waiters.size > 0) budget.waiting.add(place!);
    }
  }

  /** @param closed called once the server has let go of it */
  private close(held: Held, closed: () => void = () => undefined): void {
    const { place } = held;
    const { budget } = place.target;
    if (!this.held.delete(held)) return closed();
    budget.idle.delete(held);
    const index = place.idle.indexOf(held);
    if (index >= 0) place.idle.splice(index, 1);
    place.open -= 1;
    held.dead = true;
    const late = setTimeout(() => streamOf(held.client).destroy(), CLOSE_MS).unref();
    const finished = (): void => {
      clearTimeout(late);
      budget.open -= 1;
      closed();
      if (budget.waiting.size > 0 && !this.ending) this.serve(budget);
      if (this.ending && this.held.size === 0) this.ending.done();
    };
    held.client.end().then(finished, finished);
  }

  private closeOld(): void {
    const now = Date.now();
    for (const [key, place] of this.places) {
      for (const held of [...place.idle]) {
        if (now - held.idleSince > this.options.idleMs || now > held.closeAt) this.close(held);
      }
      // Thousands of places may be asked for once; what is left of one is nothing to keep.
      if (place.open === 0 && place.waiters.size === 0) this.places.delete(key);
    }
  }
}

function streamOf(client: PoolClient): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}
