import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectPlatformDataSource, type Tenant, TenantDirectory } from '../tenancy/index.js';
import { CHANNEL } from './tenant.channel.js';

const RECONNECT_MS = 500;
const HEARTBEAT_MS = 5000;

/** Looks tenants up in the registry and hears of changes through LISTEN on a direct connection. */
@Injectable()
export class PostgresTenantDirectory extends TenantDirectory implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('TenantDirectory');
  private readonly listeners: ((slugs: string[] | undefined) => void)[] = [];
  private client: pg.Client | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private closed = false;
  private listening = false;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {
    super();
  }

  get live(): boolean {
    return this.listening;
  }

  onChange(listener: (slugs: string[] | undefined) => void): void {
    this.listeners.push(listener);
  }

  async findBySlug(slug: string): Promise<Tenant | undefined> {
    const rows = await this.platform.query<Tenant[]>(
      'SELECT id, slug, name, plan, status, placement, settings FROM tenants WHERE slug = $1',
      [slug],
    );
    return rows[0] && Object.freeze(rows[0]);
  }

  async onModuleInit(): Promise<void> {
    await this.listen();
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    clearInterval(this.heartbeat);
    await this.client?.end().catch(() => undefined);
  }

  private async listen(): Promise<void> {
    const client = new pg.Client({ connectionString: this.database.url('platform', true) });
    this.client = client;
    client.on('error', () => this.lost(client));
    client.on('end', () => this.lost(client));
    client.on('notification', (message) => {
      this.emit(message.payload ? message.payload.split(',') : undefined);
    });
    try {
      await client.connect();
      // eslint-disable-next-line no-restricted-syntax -- LISTEN takes no parameters; the channel is a constant
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      this.logger.warn(`Cannot listen for tenant changes: ${(error as Error).message}`);
      this.lost(client);
      return;
    }
    // Whatever changed while nobody listened.
    this.emit(undefined);
    this.listening = true;
    this.heartbeat = setInterval(() => void this.beat(client), HEARTBEAT_MS).unref();
  }

  /** A half-open connection hears nothing and reports nothing; asking it something shows. */
  private async beat(client: pg.Client): Promise<void> {
    const late = setTimeout(() => this.lost(client), HEARTBEAT_MS / 2);
    try {
      await client.query('SELECT 1');
    } catch {
      this.lost(client);
    } finally {
      clearTimeout(late);
    }
  }

  private lost(client: pg.Client): void {
    if (this.client !== client || this.closed) return;
    this.client = undefined;
    this.listening = false;
    clearInterval(this.heartbeat);
    this.emit(undefined);
    void client.end().catch(() => undefined);
    this.logger.warn('Tenant changes are not heard of; the look-up cache is bypassed until they are');
    this.retry = setTimeout(() => void this.listen(), RECONNECT_MS).unref();
  }

  private emit(slugs: string[] | undefined): void {
    for (const listener of this.listeners) listener(slugs);
  }
}
