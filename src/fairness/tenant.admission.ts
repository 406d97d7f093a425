import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { settingOf } from '../settings/index.js';
import { FairQueue, shareOf, type Tenant, TenantBusy, type Ticket } from '../tenancy/index.js';
import { FairnessMetrics, type QueueCounts } from './fairness.metrics.js';
import { CONCURRENT_REQUESTS } from './fairness.settings.js';
import { type Busyness, ThreadBudget } from './thread.budget.js';

export interface AdmissionBounds {
  /** How long a request waits for others of its tenant, in ms. */
  waitMs: number;
  /** A request that takes longer than this, in ms, makes room for others. */
  longMs: number;
  /** How often the two are looked at while somebody waits, in ms. */
  checkMs: number;
  /** How often the thread's budget is adapted, in ms. */
  adaptMs: number;
  /** Of the thread; measured, unless given. */
  busyness?: Busyness;
}

/** Injection token of other {@link AdmissionBounds}. */
export const ADMISSION_BOUNDS = Symbol('ADMISSION_BOUNDS');
const DEFAULTS: AdmissionBounds = { waitMs: 10_000, longMs: 10_000, checkMs: 1000, adaptMs: 10 };
/** A tenant that has this many under way and waiting may crowd the thread. */
const CROWD = 8;
/** It does while somebody else comes who had no more than one for so many of them, or for more where it weighs more. */
const OUTNUMBERS = 4;
/** How long somebody is heeded who came, in ms. */
const HEED_MS = 1000;

interface Entry {
  readonly of: Standing;
  readonly socket: Socket;
  readonly response: ServerResponse;
  readonly proceed: (refusal?: TenantBusy) => void;
  /** Where it is counted; undefined: nowhere any more. */
  among: Set<Entry> | undefined;
  ticket: Ticket<Entry> | undefined;
  /** When it came there. */
  since: number;
}

/** What one tenant has under way here. */
interface Standing {
  readonly id: string;
  cap: number;
  weight: number;
  readonly running: Set<Entry>;
  /** Those that take long: downloads, uploads, slow models. They would otherwise be all that a small plan can do. */
  readonly long: Set<Entry>;
  /** In the order of their arrival. */
  readonly waiting: Set<Entry>;
}

/** Who came while a tenant may have crowded the thread. */
interface Arrival {
  /** The last. */
  at: number;
  /** Under way and waiting at once, of late. */
  most: number;
  mostAt: number;
  weight: number;
}

type Exchange = Pick<IncomingMessage, 'socket'>;

/**
 * Bounds the requests that one tenant has in flight in this process: as many as its plan says are served, as many wait,
 * and the next are refused. While one tenant's crowd keeps the thread busy and others come who ask for far less, who has
 * nothing else under way is served at once, and the rest in turns, tenants in shares by weight.
 */
@Injectable()
export class TenantAdmission {
  private readonly standings = new Map<string, Standing>();
  private readonly bySocket = new WeakMap<Socket, Set<Entry>>();
  private readonly bounds: AdmissionBounds;
  private readonly queue = new FairQueue<Entry>();
  private readonly budget: ThreadBudget;
  /** By tenant, in the order of their last. */
  private readonly arrivals = new Map<string | undefined, Arrival>();
  /** Requests with no other of their tenant under way, since the budget was last adapted. */
  private singlesSince = 0;
  private adapts: NodeJS.Timeout | undefined;
  private looks: NodeJS.Timeout | undefined;

  constructor(
    private readonly metrics: FairnessMetrics,
    @Optional() @Inject(ADMISSION_BOUNDS) bounds: Partial<AdmissionBounds> = {},
  ) {
    this.bounds = { ...DEFAULTS, ...bounds };
    this.budget = new ThreadBudget(this.bounds.busyness);
    metrics.watch('requests', () => this.counts());
  }

  /** Whether anybody waits; while nobody does, there is room for all. */
  get isAnyWaiting(): boolean {
    return this.queue.size > 0;
  }

  /**
   * Whether one more request would be served or could wait. To be asked before the body of one is read, which takes no
   * slot: so bodies that never come keep nobody out.
   *
   * @throws TenantBusy when not
   */
  demandRoom(tenant: Tenant): void {
    const standing = this.standings.get(tenant.id);
    if (standing && standing.waiting.size >= settingOf(tenant, CONCURRENT_REQUESTS)) throw this.refusal();
  }

  /**
   * Calls `proceed` when the request has a slot, which it gives back when its answer has ended or its client has gone,
   * or with what refuses it. A request whose client goes while it waits is never heard of again.
   */
  admit(tenant: Tenant, { socket }: Exchange, response: ServerResponse, proceed: Entry['proceed']): void {
    // Whoever has gone already would never give its slot back.
    if (socket.destroyed || response.destroyed) return;
    const cap = settingOf(tenant, CONCURRENT_REQUESTS);
    let standing = this.standings.get(tenant.id);
    if (!standing) {
      standing = { id: tenant.id, cap, weight: 1, running: new Set(), long: new Set(), waiting: new Set() };
      this.standings.set(tenant.id, standing);
    }
    standing.cap = cap;
    standing.weight = shareOf(tenant).weight;
    const entry: Entry = { of: standing, socket, response, proceed, among: undefined, ticket: undefined, since: 0 };
    const { running, waiting } = standing;
    const isSingle = running.size + waiting.size === 0;
    if (waiting.size === 0 && running.size < cap && (isSingle || this.budget.isLeft)) {
      this.put(entry, running);
      if (!isSingle) this.budget.spend();
      else if (this.adapts) this.singlesSince += 1;
      this.follow(entry);
      proceed();
    } else if (waiting.size < cap) {
      this.put(entry, waiting);
      entry.ticket = this.queue.add(entry, shareOf(tenant));
      this.follow(entry);
      this.looks ??= setInterval(() => this.look(), this.bounds.checkMs).unref();
      // The cap may have been raised since.
      this.serve();
    } else {
      return proceed(this.refusal());
    }
    this.notice(standing);
    if (running.size + waiting.size < CROWD) return;
    this.adapts ??= setInterval(() => this.adapt(), this.bounds.adaptMs).unref();
  }

  /** Takes note of a request of no tenant, which waits for nobody, so that a crowd does not keep it from the thread. */
  noticeOther(): void {
    if (this.adapts) this.singlesSince += 1;
    this.notice();
  }

  private notice(of?: Standing): void {
    if (!this.adapts) return;
    const at = performance.now();
    const has = of ? of.running.size + of.waiting.size : 1;
    const arrival = this.arrivals.get(of?.id) ?? { at, most: 0, mostAt: at, weight: 1 };
    arrival.at = at;
    arrival.weight = of?.weight ?? Infinity;
    if (has >= arrival.most || at - arrival.mostAt > HEED_MS) {
      arrival.most = has;
      arrival.mostAt = at;
    }
    this.arrivals.delete(of?.id);
    this.arrivals.set(of?.id, arrival);
  }

  private counts(): QueueCounts {
    const sum = { running: 0, long: 0, waiting: this.queue.size };
    for (const { running, long } of this.standings.values()) {
      sum.running += running.size;
      sum.long += long.size;
    }
    return sum;
  }

  private refusal(): TenantBusy {
    this.metrics.countRefusal('requests');
    return new TenantBusy();
  }

  /** A pipelined answer whose turn never came does not close; its connection does. */
  private follow(entry: Entry): void {
    const { socket, response } = entry;
    let entries = this.bySocket.get(socket);
    if (!entries) {
      const made = (entries = new Set<Entry>());
      this.bySocket.set(socket, made);
      socket.once('close', () => [...made].forEach((left) => this.leave(left)));
    }
    const known = entries;
    known.add(entry);
    response.once('close', () => {
      known.delete(entry);
      this.leave(entry);
    });
  }

  private put(entry: Entry, among: Set<Entry> | undefined): void {
    if (entry.ticket) {
      this.queue.remove(entry.ticket);
      entry.ticket = undefined;
    }
    entry.among?.delete(entry);
    entry.among = among;
    entry.since = performance.now();
    if (among) among.add(entry);
    else this.forget(entry.of);
  }

  /** Whoever was served, refused or lost: what has nothing here any more takes no memory. */
  private forget({ id, running, long, waiting }: Standing): void {
    if (running.size + long.size + waiting.size === 0) this.standings.delete(id);
  }

  private leave(entry: Entry): void {
    if (!entry.among) return;
    this.put(entry, undefined);
    this.serve();
  }

  private serve(): void {
    if (this.queue.size === 0) return;
    const admits = ({ of: { running, cap } }: Entry): boolean => running.size < cap;
    while (this.budget.isLeft) {
      const ticket = this.queue.peek(admits);
      if (!ticket) return;
      this.queue.serve(ticket);
      const entry = ticket.item;
      // Of a connection that is lost, the first answer to close must not let the next begin.
      this.put(entry, entry.socket.destroyed ? undefined : entry.of.running);
      if (!entry.among) continue;
      this.budget.spend();
      entry.proceed();
    }
  }

  private adapt(): void {
    const crowds = [...this.standings.values()].filter(({ running, waiting }) => running.size + waiting.size >= CROWD);
    this.budget.look(this.isAnyOutnumbered(crowds), this.singlesSince);
    this.singlesSince = 0;
    this.serve();
    if (crowds.length > 0 || this.budget.isKept) return;
    clearInterval(this.adapts);
    this.adapts = undefined;
    this.arrivals.clear();
  }

  /**
   * Whether anybody came lately whom a crowd could keep from the thread. Not among tenants that ask for about as much:
   * keeping the thread idle for one of them would only slow them all.
   */
  private isAnyOutnumbered(crowds: Standing[]): boolean {
    const from = performance.now() - HEED_MS;
    for (const [tenantId, { at, most, weight }] of this.arrivals) {
      if (at < from) this.arrivals.delete(tenantId);
      else if (
        crowds.some(
          (crowd) =>
            crowd.id !== tenantId &&
            crowd.running.size + crowd.waiting.size >= most * OUTNUMBERS * Math.max(1, crowd.weight / weight),
        )
      )
        return true;
    }
    return false;
  }

  /** Lets those that take long make room, as many as may run beside them, and refuses who has waited for too long. */
  private look(): void {
    const now = performance.now();
    for (const { running, long, waiting, cap } of this.standings.values()) {
      if (waiting.size === 0) continue;
      for (const entry of running) {
        if (now - entry.since < this.bounds.longMs || long.size >= cap) break;
        this.put(entry, long);
      }
    }
    this.serve();
    for (const { waiting } of this.standings.values()) {
      for (const entry of waiting) {
        if (now - entry.since < this.bounds.waitMs) break;
        this.put(entry, undefined);
        entry.proceed(this.refusal());
      }
    }
    if (this.queue.size > 0) return;
    clearInterval(this.looks);
    this.looks = undefined;
  }
}
