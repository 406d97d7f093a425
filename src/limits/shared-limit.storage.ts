import { Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { Counter, Gauge } from 'prom-client';
import type { Env } from '../env/index.js';
import type { MetricsService } from '../metrics/index.js';
import type { RedisConnection } from '../redis/index.js';
import { type LimitPolicy, type LimitState, LimitStorage, type LimitVerdict } from './limit.storage.js';
import { LimitsUnavailable } from './limits.errors.js';
import { type CountedHits, MemoryThrottlerStorage } from './memory-throttler.storage.js';
import { RedisThrottlerStorage } from './redis-throttler.storage.js';
import { RedisWatch } from './redis.watch.js';

/** Settings of {@link SharedLimitStorage}. */
export interface SharedLimitStorageOptions {
  /** While Redis does not answer: this process counts its share, or whatever would be counted is refused. */
  onFailure: Env['limitsOnStoreFailure'];
  /** How long a request waits for Redis, in ms (default 100). */
  patienceMs?: number;
}

interface Waiting {
  readonly policies: readonly LimitPolicy[];
  readonly sinceMs: number;
  readonly resolve: (verdict: LimitVerdict) => void;
  readonly reject: (error: unknown) => void;
}

const PATIENCE_MS = 100;
/** Over what was let through without Redis: what came in during the first is little, and is taken by the second. */
const PASSES = 2;
/** Scripts under way at once. */
const AT_ONCE = 200;

/**
 * Counts in Redis, for all processes. The first request that Redis leaves without an answer ends that for all: those that
 * wait and those that come are counted here, with this process's share of each quota, until Redis answers again. What it
 * let through before is known here too, so that the share is not had on top of it.
 */
export class SharedLimitStorage extends LimitStorage implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('Limits');
  private readonly shared: RedisThrottlerStorage;
  private readonly own = new MemoryThrottlerStorage();
  private readonly watch: RedisWatch;
  private readonly waiting = new Set<Waiting>();
  private readonly patienceMs: number;
  private readonly fallbacks: Counter;
  private said = false;
  /** What is not in Redis yet was let through from then on; all, if it has lost its content. */
  private lostMs = -Infinity;
  private lostContent?: string;
  private patience?: NodeJS.Timeout;

  /** @param client of the connection */
  constructor(
    client: Redis,
    connection: RedisConnection,
    private readonly options: SharedLimitStorageOptions,
    metrics: MetricsService,
  ) {
    super();
    this.patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.shared = new RedisThrottlerStorage(client);
    const watcher = {
      lost: (error?: unknown) => this.lost(error),
      returning: () => this.returning(),
      back: () => this.back(),
    };
    this.watch = new RedisWatch(client, connection, watcher, this.patienceMs);
    this.fallbacks = this.measure(metrics);
  }

  override get state(): LimitState {
    if (this.watch.answering) return 'shared';
    return this.options.onFailure === 'closed' ? 'closed' : 'own';
  }

  /** Processes that count together, as far as this one knows. */
  get processes(): number {
    return this.watch.census.count;
  }

  async onModuleInit(): Promise<void> {
    await this.watch.start();
    if (!this.watch.answering) this.say();
  }

  async onModuleDestroy(): Promise<void> {
    await this.watch.stop();
    this.own.onModuleDestroy();
  }

  /** @throws LimitsUnavailable where nothing is let through without Redis, and it does not answer */
  override consume(policies: readonly LimitPolicy[]): LimitVerdict | Promise<LimitVerdict> {
    if (!this.watch.answering) return this.consumeAlone(policies);
    return new Promise((resolve, reject) => {
      const one: Waiting = { policies, sinceMs: performance.now(), resolve, reject };
      this.waiting.add(one);
      this.patience ??= this.awaitOldest(this.patienceMs);
      this.shared.consume(policies).then(
        (verdict) => {
          // Else it was decided without Redis.
          if (!this.waiting.delete(one)) return;
          if (verdict.accepted) this.own.record(policies);
          resolve(verdict);
        },
        (error: unknown) => this.waiting.has(one) && this.giveUp(error),
      );
    });
  }

  private consumeAlone(policies: readonly LimitPolicy[]): LimitVerdict {
    if (this.options.onFailure === 'closed') throw new LimitsUnavailable();
    return this.own.consume(policies, this.processes);
  }

  /** One timer for all that wait: the first of them has waited for longest. */
  private awaitOldest(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      // Answers that came while this process was busy are read before anybody is given up.
      setImmediate(() => {
        const [oldest] = this.waiting;
        this.patience = undefined;
        if (!oldest) return;
        const leftMs = oldest.sinceMs + this.patienceMs - performance.now();
        if (leftMs <= 0) this.giveUp();
        else this.patience = this.awaitOldest(Math.ceil(leftMs));
      });
    }, ms);
  }

  private giveUp(error?: unknown): void {
    this.watch.lose(error);
    // Those that came in before a loss was known of.
    this.decideAlone();
  }

  private lost(error?: unknown): void {
    this.fallbacks.inc();
    this.lostMs = performance.now();
    this.lostContent = this.watch.census.content;
    this.say(error);
    this.decideAlone();
  }

  private decideAlone(): void {
    const left = [...this.waiting];
    this.waiting.clear();
    for (const { policies, resolve, reject } of left) {
      try {
        resolve(this.consumeAlone(policies));
      } catch (refusal) {
        reject(refusal);
      }
    }
  }

  private say(err?: unknown): void {
    this.said = true;
    const instead =
      this.state === 'closed'
        ? 'requests that they apply to get 503'
        : `this process counts by itself, up to 1/${this.processes} of each quota`;
    const text = `Redis does not answer for limits: ${instead}`;
    if (err instanceof Error) this.logger.warn({ err }, text);
    else this.logger.warn(text);
  }

  /** Takes to Redis what was let through without it, while more is. */
  private async returning(): Promise<void> {
    if (this.watch.census.content !== this.lostContent) this.lostMs = -Infinity;
    for (let pass = 0; pass < PASSES; pass += 1) {
      const untilMs = performance.now();
      await this.carry(this.own.hitsBetween(this.lostMs, untilMs));
      this.lostMs = untilMs;
      this.lostContent = this.watch.census.content;
    }
  }

  private async carry(all: Iterable<CountedHits>): Promise<void> {
    let batch: Promise<void>[] = [];
    for (const one of all) {
      batch.push(this.shared.carry(one));
      if (batch.length < AT_ONCE) continue;
      await Promise.all(batch);
      batch = [];
    }
    await Promise.all(batch);
  }

  private back(): void {
    // What came in during the last pass, before the next request goes to Redis.
    this.carry([...this.own.hitsBetween(this.lostMs, Infinity)]).catch((error: unknown) => this.giveUp(error));
    if (this.said) this.logger.log('Redis answers for limits again: processes count together');
    this.said = false;
  }

  private measure({ registry }: MetricsService): Counter {
    const { watch } = this;
    new Gauge({
      name: 'tenantry_limits_shared',
      help: 'Whether requests are counted in Redis, for all processes together (1), or Redis does not answer (0).',
      registers: [registry],
      collect() {
        this.set(watch.answering ? 1 : 0);
      },
    });
    new Gauge({
      name: 'tenantry_limits_processes',
      help: 'Processes that count together; each has its share of a quota while Redis does not answer.',
      registers: [registry],
      collect() {
        this.set(watch.census.count);
      },
    });
    return new Counter({
      name: 'tenantry_limits_fallbacks_total',
      help: 'Times that Redis stopped answering for limits.',
      registers: [registry],
    });
  }
}
