import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { Gauge } from 'prom-client';
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
export class RedisConnection implements OnApplicationShutdown {
  private readonly logger = new Logger('Redis');
  private reachable = false;
  private readonly listeners: ((up: boolean) => void)[] = [];

  /** Loads the client only where there is a REDIS_URL: commands of most installations do without the time that takes. */
  static async open({ redisUrl }: Env, metrics: MetricsService): Promise<RedisConnection> {
    if (redisUrl === undefined) return new RedisConnection(undefined, metrics);
    const { Redis } = await import('ioredis');
    const client = new Redis(redisUrl, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      commandTimeout: PATIENCE_MS,
      connectTimeout: CONNECT_MS,
      keepAlive: 10_000,
      retryStrategy: () => RECONNECT_MS,
    });
    return new RedisConnection(client, metrics);
  }

  /** @param client undefined where there is no REDIS_URL */
  private constructor(
    readonly client: Redis | undefined,
    metrics: MetricsService,
  ) {
    if (!client) return;
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
