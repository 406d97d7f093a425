import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { sha256 } from '../common/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { checkKey, inProgress, keyReused } from './idempotency.errors.js';

export interface PlatformRequest {
  /** The Idempotency-Key header as it came. */
  key: string | undefined;
  /** Route and admin, so that two admins' equal keys do not meet. */
  scope: string;
  body: unknown;
}

/** How long an answer is kept. */
const TTL = '24 hours';

/** `Idempotency-Key` (IETF draft) for the control plane: effect and answer are committed in one transaction. */
@Injectable()
export class PlatformIdempotency {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /**
   * Runs `handler` in a transaction, at most once per key. Its answer is stored and so must hold no secret.
   *
   * @throws AppError 400 malformed key, 409 the first request is still being served, 422 the key was used with another body
   */
  async execute<T>({ key, scope, body }: PlatformRequest, handler: (manager: EntityManager) => Promise<T>): Promise<T> {
    if (key === undefined) return this.platform.transaction(handler);
    checkKey(key);
    const keyHash = sha256(`${scope}\n${key}`);
    const requestHash = sha256(JSON.stringify(body ?? null));
    return this.platform.transaction(async (manager) => {
      const [lock] = await manager.query<[{ held: boolean }]>('SELECT pg_try_advisory_xact_lock($1) AS held', [
        keyHash.readBigInt64BE().toString(),
      ]);
      if (!lock.held) throw inProgress();
      const [known] = await manager.query<{ request_hash: Buffer; answer: T }[]>(
        'SELECT request_hash, answer FROM idempotency_keys WHERE key_hash = $1 AND expires_at > now()',
        [keyHash],
      );
      if (known && !known.request_hash.equals(requestHash)) throw keyReused();
      if (known) return known.answer;
      await manager.query('DELETE FROM idempotency_keys WHERE expires_at <= now()');
      const answer = await handler(manager);
      await manager.query(
        `INSERT INTO idempotency_keys (key_hash, request_hash, answer, expires_at)
         VALUES ($1, $2, $3, now() + $4::interval)`,
        [keyHash, requestHash, JSON.stringify(answer), TTL],
      );
      return answer;
    });
  }
}
