import { hkdfSync } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { newId, seal, sha256, unseal } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { checkKey, inProgress, keyReused } from './idempotency.errors.js';
import { IdempotencyKey } from './idempotency-key.entity.js';

/** A claim of a process that died is given up after this long, in ms. */
const CLAIM_MS = 60_000;

/** A request that may come twice. */
export interface IdempotentRequest {
  /** The Idempotency-Key header as it came. */
  key: string | undefined;
  /** Whose key it is: route and caller, so that two callers' equal keys do not meet. */
  scope: string;
  /** What must be the same for the answer to be given again. */
  body: unknown;
  /** How long the answer is kept, in ms. */
  ttlMs: number;
}

/** Commits `write` and the answer together. */
export type Commit<T> = (answer: T, write: () => Promise<void>) => Promise<T>;

/**
 * `Idempotency-Key` (IETF draft): the first request claims the key, its effect and its answer are committed together,
 * and a repetition gets that answer. Answers are sealed under a key that needs the client's own Idempotency-Key,
 * because they can hold credentials.
 */
@Injectable()
export class IdempotencyService {
  constructor(
    @InjectTenantRepository(IdempotencyKey) private readonly keys: TenantRepository<IdempotencyKey>,
    private readonly transaction: TenantTransaction,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /**
   * Runs `handler` at most once per key.
   *
   * @throws AppError 400 malformed key, 409 the first request is still being served, 422 the key was used with another body
   */
  async execute<T>(request: IdempotentRequest, handler: (commit: Commit<T>) => Promise<T>): Promise<T> {
    if (request.key === undefined) {
      return handler(async (answer, write) => {
        await write();
        return answer;
      });
    }
    checkKey(request.key);
    const keyHash = sha256(`${request.scope}\n${request.key}`);
    const requestHash = sha256(JSON.stringify(request.body ?? null));
    const claimId = await this.claim(keyHash, requestHash, request.ttlMs);
    if (claimId === undefined) return this.repeat<T>(request.key, keyHash, requestHash);
    try {
      return await handler((answer, write) =>
        this.transaction.run(async () => {
          await write();
          const sealed = seal(this.sealingKey(request.key ?? ''), JSON.stringify(answer));
          const done = await this.keys.update({ id: claimId, keyHash }, { status: 200, answer: sealed });
          // The claim ran out and somebody else holds the key: this effect must not happen as well.
          if (done !== 1) throw inProgress();
          return answer;
        }),
      );
    } catch (error) {
      await this.transaction.query('DELETE FROM idempotency_keys WHERE id = $1 AND key_hash = $2 AND status IS NULL', [
        claimId,
        keyHash,
      ]);
      throw error;
    }
  }

  private async claim(keyHash: Buffer, requestHash: Buffer, ttlMs: number): Promise<string | undefined> {
    const id = newId();
    const rows = await this.transaction.query<{ id: string }>(
      `INSERT INTO idempotency_keys AS k (tenant_id, id, key_hash, request_hash, claimed_until, expires_at)
       VALUES (current_setting('app.tenant_id')::uuid, $1, $2, $3, now() + $4 * interval '1 millisecond',
               now() + $5 * interval '1 millisecond')
       ON CONFLICT (tenant_id, key_hash) DO UPDATE
          SET id = excluded.id, request_hash = excluded.request_hash, claimed_until = excluded.claimed_until,
              expires_at = excluded.expires_at, status = NULL, answer = NULL
        WHERE k.expires_at < now() OR (k.status IS NULL AND k.claimed_until < now())
       RETURNING id`,
      [id, keyHash, requestHash, CLAIM_MS, ttlMs],
    );
    return rows[0]?.id;
  }

  private async repeat<T>(key: string, keyHash: Buffer, requestHash: Buffer): Promise<T> {
    const row = await this.keys.findOneBy({ keyHash });
    if (row && !row.requestHash.equals(requestHash)) throw keyReused();
    if (!row?.answer) throw inProgress();
    return JSON.parse(unseal(this.sealingKey(key), row.answer).toString('utf8')) as T;
  }

  private sealingKey(key: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.database.keys.derive('idempotency'), key, 'answer', 32));
  }
}
