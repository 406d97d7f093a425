import { createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { addressBucket, seal, unseal } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import type { Plan } from '../tenant/index.js';

/** What a customer asked for; sealed while it is kept. */
export interface SignupRequest {
  email: string;
  company: string;
  name?: string;
  /** Forgotten once the tenant is asked for. */
  passwordHash?: string;
}

export interface NewSignup {
  id: string;
  slug: string;
  plan: Plan;
  inviteId: string | undefined;
  emailHmac: Buffer;
  address: string | undefined;
  request: SignupRequest;
  tokenHash: Buffer;
  /** Of the hold on its slug. */
  expiresAt: Date;
  mailed: boolean;
}

/** A sign-up as it is kept. */
export interface Signup {
  id: string;
  slug: string;
  plan: Plan;
  invite_id: string | null;
  request: Buffer;
  token_hash: Buffer;
  expires_at: Date;
  tenant_id: string | null;
  /** Not confirmed, and its time is over. */
  expired: boolean;
}

const WINDOW = `interval '15 minutes'`;
/** One at a time: what is counted stays so until the row that counts is there. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('tenantry:signup', 0))`;
const OPEN = `SELECT (SELECT count(*)::int FROM (SELECT 1 FROM slug_holds WHERE expires_at > now() LIMIT $2) held) AS "all",
  (SELECT count(*)::int FROM signups WHERE address_hmac = $1 AND expires_at > now() AND tenant_id IS NULL) AS address`;
const MAILS = `SELECT coalesce(sum(mails), 0)::int AS mails FROM signups
  WHERE email_hmac = $1 AND mailed_at > now() - ${WINDOW}`;
const INSERT = `INSERT INTO signups (id, slug, plan, invite_id, email_hmac, address_hmac, request, token_hash, mails,
    mailed_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $10)`;
const COLUMNS = `id, slug, plan, invite_id, request, token_hash, expires_at, tenant_id,
  tenant_id IS NULL AND expires_at <= now() AS expired`;
const FIND = `SELECT ${COLUMNS} FROM signups WHERE id = $1`;
const FIND_LOCKED = `${FIND} FOR UPDATE`;
const WAITING = `SELECT ${COLUMNS} FROM signups WHERE email_hmac = $1 AND tenant_id IS NULL AND expires_at > now()
  AND ($2::text IS NULL OR slug = $2) ORDER BY created_at DESC LIMIT $3`;
const REMINT = `UPDATE signups SET token_hash = $2, mails = mails + $3::int,
    mailed_at = CASE WHEN $3::int > 0 THEN now() ELSE mailed_at END
  WHERE id = $1 AND tenant_id IS NULL AND expires_at > now()`;
const CONFIRM = `UPDATE signups SET tenant_id = $2, confirmed_at = now(), request = $3 WHERE id = $1`;
const SIGN_IN = `UPDATE signups SET signed_in_at = now()
  WHERE id = $1 AND signed_in_at IS NULL AND confirmed_at > now() - interval '1 hour'`;

/** Rows of sign-ups. */
@Injectable()
export class SignupStore {
  private readonly key: Buffer;
  private readonly addressKey: Buffer;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) database: PreparedDatabase,
  ) {
    this.key = database.keys.derive('signup');
    this.addressKey = database.keys.derive('signup-address');
  }

  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.platform.transaction(work);
  }

  async lock(manager: EntityManager): Promise<void> {
    await manager.query(LOCK);
  }

  /** Sign-ups that wait: of everybody, counted up to `most`, and of one address. */
  async open(
    manager: EntityManager,
    address: string | undefined,
    most: number,
  ): Promise<{ all: number; address: number }> {
    const rows = await manager.query<{ all: number; address: number }[]>(OPEN, [this.addressHmac(address), most]);
    return rows[0] ?? { all: 0, address: 0 };
  }

  /** Mails to this address of a person that were sent lately. */
  async mailsTo(manager: EntityManager, emailHmac: Buffer): Promise<number> {
    const rows = await manager.query<{ mails: number }[]>(MAILS, [emailHmac]);
    return rows[0]?.mails ?? 0;
  }

  async insert(manager: EntityManager, signup: NewSignup): Promise<void> {
    await manager.query(INSERT, [
      signup.id,
      signup.slug,
      signup.plan,
      signup.inviteId ?? null,
      signup.emailHmac,
      this.addressHmac(signup.address),
      this.sealed(signup.id, signup.request),
      signup.tokenHash,
      signup.mailed ? 1 : 0,
      signup.expiresAt,
    ]);
  }

  async find(id: string): Promise<Signup | undefined> {
    return (await this.platform.query<Signup[]>(FIND, [id]))[0];
  }

  async findLocked(manager: EntityManager, id: string): Promise<Signup | undefined> {
    return (await manager.query<Signup[]>(FIND_LOCKED, [id]))[0];
  }

  /** Those of a person that still wait, the newest first; of one slug, if it is given. */
  waitingOf(manager: EntityManager, emailHmac: Buffer, slug: string | undefined, most: number): Promise<Signup[]> {
    return manager.query<Signup[]>(WAITING, [emailHmac, slug ?? null, most]);
  }

  /**
   * Another token in place of the one before.
   *
   * @param mails sent for it: none when it shares one that is counted elsewhere
   * @returns whether it still waits
   */
  async remint(manager: EntityManager, id: string, tokenHash: Buffer, mails: 0 | 1): Promise<boolean> {
    const [, changed] = await manager.query<[unknown[], number]>(REMINT, [id, tokenHash, mails]);
    return changed === 1;
  }

  /** Of what was asked for only the address of the person is kept. */
  async confirm(manager: EntityManager, id: string, tenantId: string, request: SignupRequest): Promise<void> {
    const { passwordHash: _, ...kept } = request;
    await manager.query(CONFIRM, [id, tenantId, this.sealed(id, kept)]);
  }

  /** Uses up the one sign-in of the link. @returns false when it was used, or is more than an hour old */
  async useSignIn(id: string): Promise<boolean> {
    const [, changed] = await this.platform.query<[unknown[], number]>(SIGN_IN, [id]);
    return changed === 1;
  }

  /** @throws Error when MASTER_KEY is another than the one it was sealed under */
  requestOf({ id, request }: Signup): SignupRequest {
    return JSON.parse(unseal(this.key, request, id).toString('utf8')) as SignupRequest;
  }

  private sealed(id: string, request: SignupRequest): Buffer {
    return seal(this.key, JSON.stringify(request), id);
  }

  private addressHmac(address: string | undefined): Buffer {
    return createHmac('sha256', this.addressKey).update(addressBucket(address)).digest();
  }
}
