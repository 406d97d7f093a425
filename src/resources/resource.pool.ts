import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/index.js';
import { ResourceUnavailable } from './resources.errors.js';

/** How long making one may take, in ms. */
const MAKE_MS = 10_000;
/** How long one that failed to be made is not tried again with the same settings, in ms. */
const HOLD_OFF_MS = 5000;
/** How long one rests that failed as often in a row as it may, in ms: then twice as long after each failure, at most that. */
const REST_MS = 10_000;
const LONGEST_REST_MS = 300_000;
/** Tenants whose health is remembered, for each one held at most. */
const REMEMBERED = 10;

export interface PoolOptions<T> {
  /** For messages and metrics: `mail_server`. */
  name: string;
  /** Held at most. Those in use when they are replaced or evicted come on top until their last use ends. */
  max: number;
  /** How long one that was replaced or evicted is left to its running uses, in ms; then it is disposed of under them. */
  drainMs: number;
  dispose: (resource: T) => Promise<void> | void;
  /** What an admin may read of an error that is the resource's; undefined: it is another's. */
  reasonOf: (error: unknown) => string | undefined;
  /**
   * Failures in a row after which it is left to rest between tries, one at a time, so that a peer that keeps who waits for it
   * keeps few; left out: it is tried by every use.
   */
  restsAfter?: number | undefined;
  /** Told how each use went. @param reason what an admin may read of a failure that is the resource's; undefined: well */
  onUse?: (wanted: Pick<Wanted<T>, 'id' | 'fingerprint'>, reason?: string) => void;
}

/** What a resource is made for and of. */
export interface Wanted<T> {
  /** Of the tenant. */
  id: string;
  /** The same as long as the settings that it is made of are. */
  fingerprint: string;
  make: (signal: AbortSignal) => Promise<T> | T;
  /** Also while it rests. */
  resting?: boolean;
}

export const RESOURCE_STATES = ['ok', 'failing', 'unused', 'not_set_up'] as const;
/** `unused`: not with these settings. `not_set_up`: by the tenant's settings. */
export type ResourceState = (typeof RESOURCE_STATES)[number];

export interface ResourceHealth {
  resource: string;
  state: ResourceState;
  failingSince: Date | null;
  lastError: string | null;
  /** Uses that run now. */
  inUse: number;
}

interface Held<T> {
  readonly fingerprint: string;
  readonly made: Promise<T>;
  uses: number;
  usedAt: number;
  retired: boolean;
  /** Settles once it has been disposed of. */
  readonly gone: PromiseWithResolvers<void>;
  disposing: boolean;
  late?: NodeJS.Timeout;
}

interface Failing {
  since: Date;
  reason: string;
  /** Until when nobody tries again, in ms since the epoch. */
  until: number;
  /** In a row. */
  times: number;
  /** Until when it rests, in ms since the epoch. */
  restsUntil: number;
}

/** How the last use went, and with which settings. */
interface Known {
  fingerprint: string;
  failing?: Failing;
}

/** One resource of each of a bounded number of tenants, lent out and disposed of after the last use. */
export class ResourcePool<T> {
  private readonly logger = new Logger('Resources');
  /** Least recently used first. */
  private readonly held = new Map<string, Held<T>>();
  /** Retired and not gone yet. */
  private readonly leaving = new Set<Held<T>>();
  private readonly health: LRUCache<string, Known>;
  private closed = false;
  failures = 0;

  constructor(private readonly options: PoolOptions<T>) {
    this.health = new LRUCache({ max: options.max * REMEMBERED });
  }

  /** Alive: held, or retired and still in use. */
  get count(): number {
    return this.held.size + this.leaving.size;
  }

  /** Tenants that have one. */
  get ids(): string[] {
    return [...this.held.keys()];
  }

  /**
   * Lends the tenant's resource for as long as `fn` runs, having made it where there is none with these settings. After a
   * use that failed by the resource's fault the next one is made anew.
   *
   * @throws ResourceUnavailable when it cannot be made, or could not a moment ago; what `fn` throws
   */
  async use<R>(wanted: Wanted<T>, fn: (resource: T) => Promise<R> | R): Promise<R> {
    const held = this.take(wanted);
    held.uses += 1;
    try {
      const resource = await held.made;
      const result = await fn(resource);
      this.health.set(wanted.id, { fingerprint: wanted.fingerprint });
      this.options.onUse?.(wanted);
      return result;
    } catch (error) {
      const fault = error instanceof ResourceUnavailable ? undefined : this.noteFault(wanted, error, 0);
      if (fault !== undefined && this.held.get(wanted.id) === held) this.retire(wanted.id);
      throw error;
    } finally {
      held.uses -= 1;
      held.usedAt = Date.now();
      if (held.retired && held.uses === 0) this.disposeOf(held);
    }
  }

  /** @param fingerprint retires it only where it is another; undefined: whatever it is */
  retire(id: string, fingerprint?: string): void {
    const held = this.held.get(id);
    if (!held || held.fingerprint === fingerprint) return;
    this.held.delete(id);
    this.leaving.add(held);
    held.retired = true;
    if (held.uses === 0) this.disposeOf(held);
    else held.late = setTimeout(() => this.disposeOf(held), this.options.drainMs).unref();
  }

  /** What was known of a tenant that is gone. */
  forget(id: string): void {
    this.retire(id);
    this.health.delete(id);
  }

  /** Retires those that nobody has used since. @param since in ms since the epoch */
  retireIdle(since: number): void {
    for (const [id, { uses, usedAt }] of this.held) if (uses === 0 && usedAt < since) this.retire(id);
  }

  /** @param fingerprint of the present settings: what is known of others is not told; undefined: whatever they were */
  healthOf(id: string, fingerprint?: string): ResourceHealth {
    const last = this.health.get(id);
    const known = fingerprint === undefined || last?.fingerprint === fingerprint ? last : undefined;
    const failing = known?.failing;
    return {
      resource: this.options.name,
      state: failing ? 'failing' : known ? 'ok' : 'unused',
      failingSince: failing?.since ?? null,
      lastError: failing?.reason ?? null,
      inUse: this.held.get(id)?.uses ?? 0,
    };
  }

  /** Lends nothing more, and settles when all have been disposed of. */
  async close(): Promise<void> {
    this.closed = true;
    for (const id of this.ids) this.retire(id);
    await Promise.all([...this.leaving].map(({ gone }) => gone.promise));
  }

  /** Without a turn of the event loop between finding it and counting its use, so that nobody disposes of it meanwhile. */
  private take(wanted: Wanted<T>): Held<T> {
    const { id, fingerprint } = wanted;
    if (this.closed) throw new ResourceUnavailable(this.options.name, 'This process is shutting down.');
    this.retire(id, fingerprint);
    this.demandNoRest(wanted);
    let held = this.held.get(id);
    if (!held) {
      const known = this.health.get(id);
      if (known?.failing && known.fingerprint === fingerprint && Date.now() < known.failing.until) {
        throw new ResourceUnavailable(this.options.name, known.failing.reason);
      }
      this.makeRoom();
      held = this.make(wanted);
    }
    this.held.delete(id);
    this.held.set(id, held);
    return held;
  }

  /** @throws ResourceUnavailable while it rests, and while another use tries whether it does again */
  private demandNoRest({ id, fingerprint, resting = false }: Wanted<T>): void {
    const known = this.health.get(id);
    if (resting || !known?.failing || known.fingerprint !== fingerprint || known.failing.restsUntil === 0) return;
    const tried = (this.held.get(id)?.uses ?? 0) > 0;
    if (tried || Date.now() < known.failing.restsUntil) {
      throw new ResourceUnavailable(this.options.name, known.failing.reason);
    }
  }

  private make(wanted: Wanted<T>): Held<T> {
    const signal = AbortSignal.timeout(MAKE_MS);
    const making = (async () => wanted.make(signal))();
    const made = inTime(making, signal).catch((error: unknown) => {
      // One that comes after all came too late to be lent.
      making.then((late) => this.options.dispose(late)).catch(() => undefined);
      const reason = this.noteFault(wanted, error, HOLD_OFF_MS) ?? 'It cannot be made of its settings.';
      if (this.held.get(wanted.id) === held) this.retire(wanted.id);
      throw new ResourceUnavailable(this.options.name, reason, error);
    });
    made.catch(() => undefined);
    const held: Held<T> = {
      fingerprint: wanted.fingerprint,
      made,
      uses: 0,
      usedAt: Date.now(),
      retired: false,
      gone: Promise.withResolvers(),
      disposing: false,
    };
    return held;
  }

  /** Of those at rest the one that was used longest ago, else of all. */
  private makeRoom(): void {
    if (this.held.size < this.options.max) return;
    const [oldest] = this.held.keys();
    const resting = [...this.held].find(([, { uses }]) => uses === 0)?.[0];
    const leaves = resting ?? oldest;
    if (leaves !== undefined) this.retire(leaves);
  }

  private noteFault(wanted: Wanted<T>, error: unknown, holdOffMs: number): string | undefined {
    const { id, fingerprint } = wanted;
    const told = error instanceof AppError ? error.message : 'It cannot be made of its settings.';
    const unmade = holdOffMs > 0 ? told : undefined;
    const reason = this.options.reasonOf(error) ?? unmade;
    if (reason === undefined) return undefined;
    this.failures += 1;
    const known = this.health.get(id);
    const before = known?.fingerprint === fingerprint ? known.failing : undefined;
    const now = Date.now();
    const times = (before?.times ?? 0) + 1;
    const beyond = times - (this.options.restsAfter ?? Infinity);
    const restsUntil = beyond < 0 ? 0 : now + Math.min(LONGEST_REST_MS, REST_MS * 2 ** beyond);
    const since = before?.since ?? new Date();
    this.health.set(id, { fingerprint, failing: { since, reason, until: now + holdOffMs, times, restsUntil } });
    this.options.onUse?.(wanted, reason);
    return reason;
  }

  private disposeOf(held: Held<T>): void {
    if (held.disposing) return;
    held.disposing = true;
    clearTimeout(held.late);
    const dispose = async (): Promise<void> => {
      let resource: T;
      try {
        resource = await held.made;
      } catch {
        return;
      }
      await this.options.dispose(resource);
    };
    void dispose()
      .catch((error: unknown) => this.logger.warn({ err: error, resource: this.options.name }, 'Disposal failed'))
      .finally(() => {
        this.leaving.delete(held);
        held.gone.resolve();
      });
  }
}

function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', late, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', late));
}
