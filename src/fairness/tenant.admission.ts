import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { settingOf } from '../settings/index.js';
import { type Tenant, TenantBusy } from '../tenancy/index.js';
import { FairnessMetrics, type QueueCounts } from './fairness.metrics.js';
import { CONCURRENT_REQUESTS } from './fairness.settings.js';

export interface AdmissionBounds {
  /** How long a request waits for others of its tenant, in ms. */
  waitMs: number;
  /** A request that takes longer than this, in ms, makes room for others. */
  longMs: number;
  /** How often the two are looked at while somebody waits, in ms. */
  checkMs: number;
}

/** Injection token of other {@link AdmissionBounds}. */
export const ADMISSION_BOUNDS = Symbol('ADMISSION_BOUNDS');
const DEFAULTS: AdmissionBounds = { waitMs: 10_000, longMs: 10_000, checkMs: 1000 };

interface Entry {
  readonly of: Standing;
  readonly socket: Socket;
  readonly response: ServerResponse;
  readonly proceed: (refusal?: TenantBusy) => void;
  /** Where it is counted; undefined: nowhere any more. */
  among: Set<Entry> | undefined;
  /** When it came there. */
  since: number;
}

/** What one tenant has under way here. */
interface Standing {
  readonly id: string;
  cap: number;
  readonly running: Set<Entry>;
  /** Those that take long: downloads, uploads, slow models. They would otherwise be all that a small plan can do. */
  readonly long: Set<Entry>;
  /** In the order of their arrival. */
  readonly waiting: Set<Entry>;
}

type Exchange = Pick<IncomingMessage, 'socket'>;

/**
 * Bounds the requests that one tenant has in flight in this process: as many as its plan says are served, as many wait,
 * and the next are refused. Nobody waits for another tenant here.
 */
@Injectable()
export class TenantAdmission {
  private readonly standings = new Map<string, Standing>();
  private readonly bySocket = new WeakMap<Socket, Set<Entry>>();
  private readonly bounds: AdmissionBounds;
  private looks: NodeJS.Timeout | undefined;
  private waiters = 0;

  constructor(
    private readonly metrics: FairnessMetrics,
    @Optional() @Inject(ADMISSION_BOUNDS) bounds: Partial<AdmissionBounds> = {},
  ) {
    this.bounds = { ...DEFAULTS, ...bounds };
    metrics.watch('requests', () => this.counts());
  }

  /**
   * Whether one more request would be served or could wait. To be asked before the body of one is read, which takes no
   * slot: so bodies that never come keep nobody out.
   *
   * @throws TenantBusy when not
   */
  demandRoom(tenant: Tenant): void {
    const standing = this.standings.get(tenant.id);
    if (!standing) return;
    const cap = settingOf(tenant, CONCURRENT_REQUESTS);
    if (standing.running.size >= cap && standing.waiting.size >= cap) throw this.refusal();
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
      standing = { id: tenant.id, cap, running: new Set(), long: new Set(), waiting: new Set() };
      this.standings.set(tenant.id, standing);
    }
    standing.cap = cap;
    const entry: Entry = { of: standing, socket, response, proceed, among: undefined, since: 0 };
    if (standing.waiting.size === 0 && standing.running.size < cap) {
      this.put(entry, standing.running);
      this.follow(entry);
      proceed();
    } else if (standing.waiting.size < cap) {
      this.put(entry, standing.waiting);
      this.follow(entry);
      this.looks ??= setInterval(() => this.look(), this.bounds.checkMs).unref();
      // The cap may have been raised since.
      this.serve(standing);
    } else {
      proceed(this.refusal());
    }
  }

  private counts(): QueueCounts {
    const sum = { running: 0, long: 0, waiting: this.waiters };
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
    const { waiting } = entry.of;
    if (entry.among === waiting) this.waiters -= 1;
    entry.among?.delete(entry);
    entry.among = among;
    entry.since = performance.now();
    among?.add(entry);
    if (among === waiting) this.waiters += 1;
  }

  private leave(entry: Entry): void {
    if (!entry.among) return;
    const { of: standing } = entry;
    this.put(entry, undefined);
    this.serve(standing);
    if (standing.running.size + standing.long.size + standing.waiting.size > 0) return;
    if (this.standings.get(standing.id) === standing) this.standings.delete(standing.id);
  }

  private serve({ running, waiting, cap }: Standing): void {
    for (const entry of waiting) {
      if (running.size >= cap) return;
      // Of a connection that is lost, the first answer to close must not let the next begin.
      this.put(entry, entry.socket.destroyed ? undefined : running);
      if (entry.among) entry.proceed();
    }
  }

  /** Lets those that take long make room, as many as may run beside them, and refuses who has waited for too long. */
  private look(): void {
    const now = performance.now();
    for (const standing of this.standings.values()) {
      const { running, long, waiting, cap } = standing;
      if (waiting.size === 0) continue;
      for (const entry of running) {
        if (now - entry.since < this.bounds.longMs || long.size >= cap) break;
        this.put(entry, long);
      }
      this.serve(standing);
      for (const entry of waiting) {
        if (now - entry.since < this.bounds.waitMs) break;
        this.put(entry, undefined);
        entry.proceed(this.refusal());
      }
    }
    if (this.waiters > 0) return;
    clearInterval(this.looks);
    this.looks = undefined;
  }
}
