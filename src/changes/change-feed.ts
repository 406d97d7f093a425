import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import type { ChangeSource } from '../tenancy/index.js';

const RECONNECT_MS = 500;
/** Together under the second within which a change is to be in force: a connection that went silent is noticed by then. */
const HEARTBEAT_MS = 300;
const PATIENCE_MS = 500;
/** A connection that has not answered for so long is given up. */
const LOST_MS = 3000;

/** Keys that changed, or undefined for "anything may have". */
type Listener = (keys: string[] | undefined) => void;

/**
 * Hears of changes that any process made, through LISTEN on one direct connection. A payload is keys separated by
 * commas, or nothing for "anything". While it cannot hear, `live` is false and caches are to be bypassed.
 */
@Injectable()
export class ChangeFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('ChangeFeed');
  private readonly listeners = new Map<string, Listener[]>();
  private client: pg.Client | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private closed = false;
  private listening = false;
  /** When the question was sent that waits for its answer. */
  private asked: number | undefined;

  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  get live(): boolean {
    return this.listening && (this.asked === undefined || performance.now() - this.asked < PATIENCE_MS);
  }

  /** Call before the application has started; later channels would not be listened to. */
  on(channel: string, listener: Listener): void {
    this.listeners.set(channel, [...(this.listeners.get(channel) ?? []), listener]);
  }

  /** One channel as the source that a cache asks for. */
  channel(name: string): ChangeSource {
    const isLive = (): boolean => this.live;
    return {
      get live() {
        return isLive();
      },
      onChange: (listener) => this.on(name, listener),
    };
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.listen();
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    clearInterval(this.heartbeat);
    if (this.client) await hangUp(this.client);
  }

  private async listen(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.database.url('platform', true),
      connectionTimeoutMillis: LOST_MS,
      query_timeout: LOST_MS,
      keepAlive: true,
    });
    this.client = client;
    client.on('error', () => this.lost(client));
    client.on('end', () => this.lost(client));
    client.on('notification', ({ channel, payload }) => this.emit(channel, payload ? payload.split(',') : undefined));
    try {
      await client.connect();
      // eslint-disable-next-line no-restricted-syntax -- LISTEN takes no parameters; the channel is escaped
      for (const channel of this.listeners.keys()) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      this.logger.warn(`Cannot listen for changes: ${(error as Error).message}`);
      this.lost(client);
      return;
    }
    // Whatever changed while nobody listened.
    this.emitAll();
    this.listening = true;
    this.heartbeat = setInterval(() => void this.beat(client), HEARTBEAT_MS).unref();
  }

  /**
   * A half-open connection hears nothing and reports nothing; asking it something shows. What the answer comes after has
   * been heard, so a late one makes the feed live again.
   */
  private async beat(client: pg.Client): Promise<void> {
    if (this.asked !== undefined) return;
    this.asked = performance.now();
    try {
      await client.query('SELECT 1');
      if (this.client === client) this.asked = undefined;
    } catch {
      this.lost(client);
    }
  }

  private lost(client: pg.Client): void {
    if (this.client !== client || this.closed) return;
    this.client = undefined;
    this.listening = false;
    this.asked = undefined;
    clearInterval(this.heartbeat);
    this.emitAll();
    void hangUp(client);
    this.logger.warn('Changes are not heard of; caches are bypassed until they are');
    this.retry = setTimeout(() => void this.listen(), RECONNECT_MS).unref();
  }

  /** Tells the listeners of this process, for a change made here: it need not wait for the news to come back. */
  emit(channel: string, keys: string[] | undefined): void {
    for (const listener of this.listeners.get(channel) ?? []) listener(keys);
  }

  private emitAll(): void {
    for (const channel of this.listeners.keys()) this.emit(channel, undefined);
  }
}

/** Politely, and without waiting for a peer that is gone. */
async function hangUp(client: pg.Client): Promise<void> {
  const late = setTimeout(() => client.connection.stream.destroy(), RECONNECT_MS);
  await client.end().catch(() => undefined);
  clearTimeout(late);
}
