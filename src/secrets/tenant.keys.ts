import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { DataSource, EntityManager } from 'typeorm';
import { seal, unseal } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { KeyUnreadable } from './secrets.errors.js';

/** Whose key seals what tenants inherit. */
export const PLATFORM = '00000000-0000-0000-0000-000000000000';

const KEY_BYTES = 32;
const CACHE_SIZE = 10_000;
/** How long a process may still use the key of a tenant that another one erased, in ms. */
const KNOWN_MS = 60_000;

const FIND = 'SELECT root_key_id, wrapped FROM tenant_keys WHERE owner = $1';
const CREATE = `INSERT INTO tenant_keys (owner, root_key_id, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;
const DESTROY = 'DELETE FROM tenant_keys WHERE owner = $1';

type Queries = Pick<EntityManager, 'query'>;

/**
 * One random data key for each tenant, made on first need and kept wrapped by a key of the root key (AES-256-GCM), which
 * MASTER_KEY wraps in turn: replacing that leaves data keys as they are.
 * Without it, what it sealed is noise: destroying it erases that wherever copies of it are.
 */
@Injectable()
export class TenantKeys {
  private readonly known = new LRUCache<string, Buffer>({ max: CACHE_SIZE, ttl: KNOWN_MS });

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /**
   * @param owner a tenant's id, or {@link PLATFORM}
   * @param queries inside a transaction of the platform its manager: a second connection would be waited for while one is held
   * @returns 32 bytes; undefined when there is none
   * @throws KeyUnreadable
   */
  async find(owner: string, queries: Queries = this.platform): Promise<Buffer | undefined> {
    const known = this.known.get(owner);
    if (known) return known;
    const [row] = await queries.query<{ root_key_id: string; wrapped: Buffer }[]>(FIND, [owner]);
    if (!row) return undefined;
    const key = this.unwrap(owner, row.root_key_id, row.wrapped);
    // What a transaction reads may be its own, and never be committed.
    if (queries === this.platform) this.known.set(owner, key);
    return key;
  }

  /** The same, and it is made when there is none. */
  async findOrCreate(owner: string, queries: Queries = this.platform): Promise<Buffer> {
    const found = await this.find(owner, queries);
    if (found) return found;
    const wrapped = seal(this.wrapping, randomBytes(KEY_BYTES), aboutKey(owner));
    await queries.query(CREATE, [owner, this.rootKeyId, wrapped]);
    // Somebody else's where two make one at the same time.
    const made = await this.find(owner, queries);
    if (!made) throw new KeyUnreadable(`the key of ${owner} was destroyed while it was made`);
    return made;
  }

  /** @returns how many there were */
  async destroy(owner: string, queries: Queries): Promise<number> {
    this.known.delete(owner);
    const [, count] = await queries.query<[unknown, number]>(DESTROY, [owner]);
    return count;
  }

  private unwrap(owner: string, rootKeyId: string, wrapped: Buffer): Buffer {
    if (rootKeyId !== this.rootKeyId) {
      throw new KeyUnreadable(`the key of ${owner} is wrapped under root key ${rootKeyId}, not ${this.rootKeyId}`);
    }
    try {
      return unseal(this.wrapping, wrapped, aboutKey(owner));
    } catch (error) {
      throw new KeyUnreadable(`the key of ${owner} was changed`, error);
    }
  }

  private get wrapping(): Buffer {
    return this.database.keys.derive('tenant-keys');
  }

  private get rootKeyId(): string {
    return this.database.keys.fingerprint();
  }
}

function aboutKey(owner: string): string {
  return `tenant-key:${owner}`;
}
