import { Injectable } from '@nestjs/common';
import { HourlyPurge, type PurgeRun } from '../database/index.js';
import { SESSION_IDLE_MS } from './session.service.js';

/** Rows removed. */
export interface SessionsPurged extends Record<string, number> {
  sessions: number;
  idempotencyKeys: number;
}

/** Removes expired sessions (with their messages) and idempotency keys. */
@Injectable()
export class SessionPurge extends HourlyPurge<SessionsPurged> {
  protected async ofTenants(run: PurgeRun): Promise<SessionsPurged> {
    const sessions = await run.removeExclusively(
      'session-purge',
      `DELETE FROM chat_sessions WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM chat_sessions WHERE last_active_at < now() - $1 * interval '1 millisecond' LIMIT $2))`,
      [SESSION_IDLE_MS],
    );
    const idempotencyKeys = await run.removeExclusively(
      'session-purge',
      `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM idempotency_keys WHERE expires_at < now() LIMIT $1))`,
    );
    return { sessions, idempotencyKeys };
  }
}
