import { createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { addressBucket, type KeyRing, LOWEST_ID, newId } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource, NO_TENANT, TenantContext, TenantTransaction } from '../../tenancy/index.js';

/** Places remembered for one person; past that the one they were longest away from is forgotten. */
const MAX_ADDRESSES = 20;
/** How long a sign-in makes a place known. Longer than any device lives, so that whoever stays signed in stays known. */
const KNOWN_FOR = `interval '180 days'`;
/** How long a password set by mail does. */
const PROVEN_FOR = `interval '1 day'`;
/** Asked for in place of a user that there is not, so that the same statement runs. */
const NOBODY = LOWEST_ID;

/** What is known of a person at an address. */
export interface Acquaintance {
  /** They signed in from there before. */
  signedIn: boolean;
  /** … or set a new password from there a short while ago, with the token of a mail; ms since then. */
  provenMsAgo: number | undefined;
}

/**
 * Where people are known from. An attack on them from elsewhere must not hold them there, and a sign-in from there is
 * nothing to tell them of. Kept apart from devices: signing out ends a device and leaves the place known.
 */
abstract class AddressMemory {
  private readonly key: Buffer;

  constructor(keys: KeyRing) {
    this.key = keys.derive('known-address');
  }

  protected abstract readonly table: { name: string; ownerColumn: string; ownerValue: string; inScope: string };
  /** The tenant, `$1` of every statement. */
  protected abstract owner(): string;
  protected abstract run<Row>(sql: string, parameters: unknown[]): Promise<Row[]>;

  /** @param userId undefined for somebody who is not there: the same statement runs, and the answer is a stranger's */
  async of(userId: string | undefined, address: string | undefined): Promise<Acquaintance> {
    const { name, inScope } = this.table;
    const [row] = await this.run<{ signed_in: boolean | null; proven_ms: number | null }>(
      `SELECT signed_in_at > now() - ${KNOWN_FOR} AS signed_in,
              CASE WHEN proven_at > now() - ${PROVEN_FOR}
                   THEN (extract(epoch FROM now() - proven_at) * 1000)::float8 END AS proven_ms
         FROM ${name} WHERE ${inScope} AND user_id = $2 AND address_hash = $3`,
      [this.owner(), userId ?? NOBODY, this.hash(userId ?? NOBODY, address)],
    );
    // What cannot be read is many places, and nobody is at home there.
    if (!row || address === undefined) return { signedIn: false, provenMsAgo: undefined };
    return { signedIn: row.signed_in === true, provenMsAgo: row.proven_ms ?? undefined };
  }

  /** Call it in the unit of work of what happened there, with the user's row locked. */
  async remember(userId: string, address: string | undefined, what: 'signed-in' | 'proven'): Promise<void> {
    if (address === undefined) return;
    const { name, ownerColumn, ownerValue, inScope } = this.table;
    const at = what === 'signed-in' ? 'signed_in_at' : 'proven_at';
    await this.run(
      `INSERT INTO ${name} (${ownerColumn}id, user_id, address_hash, ${at})
       SELECT ${ownerValue}$2, $3, $4, now() WHERE $1::uuid IS NOT NULL
       ON CONFLICT (${ownerColumn}user_id, address_hash) DO UPDATE SET ${at} = now(), last_seen_at = now()`,
      [this.owner(), newId(), userId, this.hash(userId, address)],
    );
    await this.run(
      `DELETE FROM ${name} WHERE ${inScope} AND user_id = $2 AND (last_seen_at < now() - ${KNOWN_FOR} OR id NOT IN
         (SELECT id FROM ${name} WHERE ${inScope} AND user_id = $2 ORDER BY last_seen_at DESC, id DESC LIMIT $3))`,
      [this.owner(), userId, MAX_ADDRESSES],
    );
  }

  private hash(userId: string, address: string | undefined): Buffer {
    return createHmac('sha256', this.key)
      .update(`${this.owner()}:${userId}:${addressBucket(address)}`)
      .digest();
  }
}

/** Of the current tenant's users. */
@Injectable()
export class KnownAddresses extends AddressMemory {
  protected readonly table = {
    name: 'known_addresses',
    ownerColumn: 'tenant_id, ',
    ownerValue: '$1, ',
    inScope: 'tenant_id = $1',
  };

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
  ) {
    super(database.keys);
  }

  protected owner(): string {
    return this.context.currentOrThrow('A known address').id;
  }

  protected run<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return this.transaction.query<Row>(sql, parameters);
  }
}

/** Of platform admins. */
@Injectable()
export class PlatformKnownAddresses extends AddressMemory {
  protected readonly table = {
    name: 'platform_known_addresses',
    ownerColumn: '',
    ownerValue: '',
    inScope: '$1::uuid IS NOT NULL',
  };
  private readonly joined: EntityManager | undefined;

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    @InjectPlatformDataSource() private readonly platform: DataSource,
  ) {
    super(database.keys);
  }

  /** The same as a part of an open transaction. */
  within(manager: EntityManager): PlatformKnownAddresses {
    return Object.create(this, { joined: { value: manager } }) as PlatformKnownAddresses;
  }

  protected owner(): string {
    return NO_TENANT;
  }

  protected run<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return (this.joined ?? this.platform).query<Row[]>(sql, parameters);
  }
}
