import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Gauge } from 'prom-client';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { MetricsService } from '../metrics/index.js';

/** How long a command may take before its caller goes on without Redis, in ms. */
const PATIENCE_MS = 250;
const CONNECT_MS = 2000;
/** Between attempts to reach Redis again, in ms. */
const RECONNECT_MS = 200;

/**
 * The one connection to the Redis of REDIS_URL. A command fails at once while Redis is not to be reached, and after a
 * quarter of a second when it does not answer: whoever asks goes on without it, and nothing is kept for later.
 */
@Injectable()
export class RedisConnection implements OnApplicationShutdown {
  private readonly logger = new Logger('Redis');
  /** Undefined where there is no REDIS_URL. */
  readonly client: Redis | undefined;
  private reachable = false;
  private readonly listeners: ((up: boolean) => void)[] = [];

  constructor(@Inject(ENV) env: Env, metrics: MetricsService) {
    if (env.redisUrl === undefined) return;
    const client = new Redis(env.redisUrl, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      commandTimeout: PATIENCE_MS,
      connectTimeout: CONNECT_MS,
      keepAlive: 10_000,
      retryStrategy: () => RECONNECT_MS,
    });
    this.client = client;
    client.on('ready', () => this.become(true));
    client.on('close', () => this.become(false));
    // Without a listener it would end the process; `close` follows.
    client.on('error', (error) => this.reachable && this.logger.warn({ err: error }, 'Redis'));
    const isUp = (): boolean => this.up;
    new Gauge({
      name: 'tenantry_redis_up',
      help: 'Whether the Redis of REDIS_URL is reached.',
      registers: [metrics.registry],
      collect() {
        this.set(isUp() ? 1 : 0);
      },
    });
  }

  /** Whether a command has a chance. */
  get up(): boolean {
    return this.reachable;
  }

  /** @param listener told at once of each loss and return; must not throw */
  onChange(listener: (up: boolean) => void): void {
    this.listeners.push(listener);
  }

  /** Waits for the first connection, no longer than it may take. */
  async settled(): Promise<void> {
    const { client } = this;
    if (!client || this.reachable) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, CONNECT_MS);
      client.once('ready', () => (clearTimeout(late), resolve()));
      client.once('error', () => (clearTimeout(late), resolve()));
    });
  }

  onApplicationShutdown(): void {
    this.client?.disconnect();
  }

  private become(up: boolean): void {
    if (up === this.reachable) return;
    this.reachable = up;
    if (up) this.logger.log('Redis is reached');
    else this.logger.warn('Redis is not reached; nothing is cached until it is');
    for (const listener of this.listeners) listener(up);
  }
}
