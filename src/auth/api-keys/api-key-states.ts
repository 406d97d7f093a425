import { timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { TenantFeed } from '../../changes/index.js';
import { sha256 } from '../../common/index.js';
import { type LiveCache, TenantContext, TenantTransaction } from '../../tenancy/index.js';
import { permissionNamed } from '../access/permissions.js';
import { AUTH_CHANNEL } from '../users/user-states.js';
import { inRange } from './address-range.js';

const CACHE_SIZE = 100_000;
/** Use is noted at most this often, in ms. */
const NOTE_MS = 60_000;
/** A note never waits for a lock, which would keep a connection from those who need one: it is tried so often, in ms. */
const NOTE_ATTEMPTS = 4;
const NOTE_AGAIN_MS = 500;
const NOTE = `UPDATE api_keys SET last_used_at = now(), last_used_address = $2
   WHERE id = (SELECT id FROM api_keys WHERE id = $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** What every request with an API key is checked against. */
export interface ApiKeyState {
  id: string;
  name: string;
  hash: Buffer;
  permissions: ReadonlySet<string>;
  ranges: string[];
  expiresAt: number;
  /** When use was last written, by this process. */
  notedAt: number;
}

interface KeyRow {
  id: string;
  name: string;
  key_hash: Buffer;
  permissions: string[];
  address_ranges: string[];
  expires_at: Date | null;
  last_used_at: Date | null;
}

/** The present state of API keys, cached per process and dropped the moment any process changes it. */
@Injectable()
export class ApiKeyStates implements OnApplicationShutdown {
  private readonly logger = new Logger('ApiKeys');
  private readonly cache: LiveCache<ApiKeyState>;
  private readonly writes = new Set<Promise<unknown>>();

  constructor(
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    changes: TenantFeed,
  ) {
    this.cache = changes.cache(AUTH_CHANNEL, (key) => this.load(key), CACHE_SIZE);
  }

  find(id: string): ApiKeyState | undefined | Promise<ApiKeyState | undefined> {
    return this.cache.find(`${this.context.currentOrThrow('An API key').id}:${id}`);
  }

  /** Whether this very key may be used now and from there. */
  admits(key: ApiKeyState, text: string, address: string | undefined): boolean {
    return (
      timingSafeEqual(sha256(text), key.hash) &&
      key.expiresAt > Date.now() &&
      (key.ranges.length === 0 || key.ranges.some((range) => inRange(address, range)))
    );
  }

  /** Behind the answer, in the scope at hand: a use that cannot be noted fails nothing. */
  noteUse(key: ApiKeyState, address: string | undefined): void {
    const now = Date.now();
    if (now - key.notedAt < NOTE_MS) return;
    key.notedAt = now;
    const write = this.write(key, address)
      .catch((error: unknown) => this.logger.error({ err: error }, 'Use of an API key could not be noted'))
      .finally(() => this.writes.delete(write));
    this.writes.add(write);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.writes);
  }

  private async write(key: ApiKeyState, address: string | undefined): Promise<void> {
    for (let attempt = 1; attempt <= NOTE_ATTEMPTS; attempt += 1) {
      if (attempt > 1) await sleep(NOTE_AGAIN_MS);
      if ((await this.transaction.query(NOTE, [key.id, address])).length > 0) return;
    }
    // The next use is noted instead.
    key.notedAt = 0;
  }

  private async load(cacheKey: string): Promise<ApiKeyState | undefined> {
    const [tenantId, id] = cacheKey.split(':');
    const [row] = await this.transaction.query<KeyRow>(
      `SELECT id, name, key_hash, permissions, address_ranges, expires_at, last_used_at
         FROM api_keys WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id],
    );
    if (!row) return undefined;
    const usable = row.permissions.filter((name) => permissionNamed(name)?.peopleOnly === undefined);
    return {
      id: row.id,
      name: row.name,
      hash: row.key_hash,
      permissions: new Set(usable),
      ranges: row.address_ranges,
      expiresAt: row.expires_at?.getTime() ?? Infinity,
      notedAt: row.last_used_at?.getTime() ?? 0,
    };
  }
}
