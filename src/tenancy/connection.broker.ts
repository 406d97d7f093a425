import pg, { type ClientConfig, type PoolClient } from 'pg';
import { ConnectionsExhausted } from './tenancy.errors.js';

/** Connections that places share the right to. */
export class Budget {
  open = 0;
  /** Idle connections, the least recently used first. */
  readonly idle = new Set<Held>();
  /** Places that somebody waits for, in the order in which they are served. */
  readonly waiting = new Set<Place>();

  /** @param max connections at most, at all its places together */
  constructor(
    readonly name: string,
    readonly max: number,
  ) {}
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

interface Waiter {
  resolve(client: PoolClient): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
}

interface Place {
  readonly target: ConnectionTarget;
  readonly idle: Held[];
  readonly waiters: Set<Waiter>;
  open: number;
  /** Why it could not be reached just now, and until when nobody tries again. */
  failure?: { error: unknown; until: number };
}

interface Held {
  readonly client: PoolClient;
  readonly place: Place;
  readonly closeAt: number;
  leased: boolean;
  dead: boolean;
  idleSince: number;
}

export interface BrokerOptions {
  /** How long a caller waits for a connection, in ms. */
  waitMs: number;
  /** Idle connections are closed after this long, in ms. */
  idleMs: number;
  /** Connections are closed after this long, in ms, give or take a tenth: catalogue caches grow with age. */
  lifeMs: number;
  /** After a connection could not be opened, callers get the same answer for this long, in ms. */
  failureMs: number;
}

const DEFAULTS: BrokerOptions = { waitMs: 10_000, idleMs: 60_000, lifeMs: 3_600_000, failureMs: 1000 };
const SWEEP_MS = 5000;

/**
 * Keeps connections to many places within budgets. A place that needs one when its budget is spent gets that of the
 * least recently used idle one of another; when none is idle, places are served in turns. A connection in use is never
 * closed.
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
   * @throws ConnectionsExhausted when none came free in time; what opening one throws
   */
  async acquire(target: ConnectionTarget): Promise<PoolClient> {
    if (this.ending) throw new Error('Connections are being closed.');
    const place = this.placeOf(target);
    const idle = this.takeIdle(place);
    if (idle) return idle.client;
    if (place.failure && place.failure.until > Date.now()) throw place.failure.error;
    // Whoever came before has the first right to what is free.
    if (target.budget.waiting.size === 0 && this.makeRoom(place)) return (await this.open(place)).client;
    return this.wait(place);
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
      for (const waiter of place.waiters) this.refuse(place, waiter, new Error('Connections are being closed.'));
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
      place = { target, idle: [], waiters: new Set(), open: 0 };
      this.places.set(target.key, place);
      this.sweep ??= setInterval(() => this.closeOld(), SWEEP_MS).unref();
    }
    return place;
  }

  /** The most recently used: the others may then grow old enough to be closed. */
  private takeIdle(place: Place): Held | undefined {
    for (let held = place.idle.pop(); held; held = place.idle.pop()) {
      place.target.budget.idle.delete(held);
      if (!held.dead) {
        held.leased = true;
        return held;
      }
      this.close(held);
    }
    return undefined;
  }

  /** @returns whether a connection to `place` may be opened now; the idle one of another may have been closed for it */
  private makeRoom(place: Place): boolean {
    const { budget, max } = place.target;
    if (place.open >= max) return false;
    if (budget.open < budget.max) return true;
    const [oldest] = budget.idle;
    if (!oldest) return false;
    this.close(oldest);
    return true;
  }

  private async open(place: Place): Promise<Held> {
    const { target } = place;
    place.open += 1;
    target.budget.open += 1;
    const client = new pg.Client({ ...this.config, connectionString: target.connectionString }) as PoolClient;
    const life = this.options.lifeMs * (0.9 + Math.random() / 5);
    const held: Held = { client, place, closeAt: Date.now() + life, leased: true, dead: false, idleSince: 0 };
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
      held.leased = false;
      this.close(held);
      for (const waiter of place.waiters) this.refuse(place, waiter, error);
      this.serve(target.budget);
      throw error;
    }
  }

  private wait(place: Place): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.refuse(place, waiter, new ConnectionsExhausted()),
        this.options.waitMs,
      ).unref();
      const waiter: Waiter = { resolve, reject, timer };
      place.waiters.add(waiter);
      place.target.budget.waiting.add(place);
      this.serve(place.target.budget);
    });
  }

  private refuse(place: Place, waiter: Waiter, error: unknown): void {
    this.unqueue(place, waiter);
    waiter.reject(error);
  }

  private unqueue(place: Place, waiter: Waiter): void {
    clearTimeout(waiter.timer);
    place.waiters.delete(waiter);
    if (place.waiters.size === 0) place.target.budget.waiting.delete(place);
  }

  private release(held: Held, error?: Error | boolean): void {
    if (!held.leased) throw new Error('The connection was released before.');
    const { place } = held;
    const { budget } = place.target;
    held.leased = false;
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
      const [waiter] = place!.waiters;
      const idle = this.takeIdle(place!);
      if (idle || this.makeRoom(place!)) {
        this.unqueue(place!, waiter!);
        if (idle) waiter!.resolve(idle.client);
        else this.open(place!).then(({ client }) => waiter!.resolve(client), waiter!.reject.bind(waiter));
        skipped = 0;
      } else {
        skipped += 1;
      }
      if (budget.waiting.delete(place!) && place!.waiters.size > 0) budget.waiting.add(place!);
    }
  }

  private close(held: Held): void {
    const { place } = held;
    const { budget } = place.target;
    if (!this.held.delete(held)) return;
    budget.idle.delete(held);
    const index = place.idle.indexOf(held);
    if (index >= 0) place.idle.splice(index, 1);
    place.open -= 1;
    budget.open -= 1;
    held.dead = true;
    const finished = (): void => {
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
