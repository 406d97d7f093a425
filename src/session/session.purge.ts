import { Injectable } from '@nestjs/common';
import { HourlyPurge, type PurgeRun } from '../database/index.js';
import { SESSION_IDLE_MS } from './session.service.js';

/** Removes expired sessions (with their messages) and idempotency keys. */
@Injectable()
export class SessionPurge extends HourlyPurge<number> {
  /** @returns the number of sessions removed */
  protected async work(run: PurgeRun): Promise<number> {
    const removed = await run.removeExclusively(
      'session-purge',
      `DELETE FROM chat_sessions WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM chat_sessions WHERE last_active_at < now() - $1 * interval '1 millisecond' LIMIT $2))`,
      [SESSION_IDLE_MS],
    );
    await run.removeExclusively(
      'session-purge',
      `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM idempotency_keys WHERE expires_at < now() LIMIT $1))`,
    );
    return removed;
  }
}
