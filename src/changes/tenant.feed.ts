import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import {
  InjectPlatformDataSource,
  isInHomeDatabase,
  LiveCache,
  TenantContext,
  TenantTransaction,
} from '../tenancy/index.js';
import { ChangeFeed } from './change-feed.js';

/** How long a cache believes what it knows of a tenant whose changes it may not hear of, in ms: it is under a second with what asking takes. */
const UNHEARD_MS = 800;
const NOTIFY = 'SELECT pg_notify($1, $2)';

/**
 * Changes to tenants' own rows. Where these are in the control plane's database, every process hears of a change by the
 * commit itself. Nobody listens in other databases: from there the news are passed on after the commit, and since they
 * may be lost on the way, caches ask again before a second is over.
 */
@Injectable()
export class TenantFeed implements OnApplicationShutdown {
  private readonly logger = new Logger('ChangeFeed');
  private readonly forwards = new Set<Promise<unknown>>();

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly feed: ChangeFeed,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {}

  /** A cache of rows of tenants, asked and filled in the scope of the tenant at hand. */
  cache<V extends object>(channel: string, load: (key: string) => Promise<V | undefined>, max: number): LiveCache<V> {
    return new LiveCache(this.feed.channel(channel), load, max, () => (this.isHeard() ? undefined : UNHEARD_MS));
  }

  /**
   * Tells every process, once the unit of work at hand has committed, that these keys changed; this process before the
   * caller goes on.
   */
  async announce(channel: string, keys: string[]): Promise<void> {
    const payload = keys.join(',');
    const heard = this.isHeard();
    if (heard) await this.transaction.query(NOTIFY, [channel, payload]);
    this.transaction.afterCommit(() => {
      this.feed.emit(channel, keys);
      if (!heard) this.forward(channel, payload);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.forwards);
  }

  private isHeard(): boolean {
    return isInHomeDatabase(this.context.currentOrThrow('A change').placement);
  }

  private forward(channel: string, payload: string): void {
    const forward = this.platform
      .query(NOTIFY, [channel, payload])
      .catch((error: unknown) => this.logger.warn({ err: error, channel }, 'Other processes hear of a change late'))
      .finally(() => this.forwards.delete(forward));
    this.forwards.add(forward);
  }
}
