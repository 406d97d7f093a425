import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { SESSION_IDLE_MS } from './session.service.js';

const EVERY_MS = 60 * 60 * 1000;
const BATCH = 5000;

/** Removes expired sessions (with their messages) and idempotency keys, as the maintenance role. */
@Injectable()
export class SessionPurge implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('SessionPurge');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();

  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** @returns the number of sessions removed */
  async purge(): Promise<number> {
    const client = new pg.Client({ connectionString: this.database.url('maintenance') });
    await client.connect();
    try {
      let removed = 0;
      for (let batch = BATCH; batch === BATCH; removed += batch) {
        const done = await client.query(
          `DELETE FROM chat_sessions WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM chat_sessions WHERE last_active_at < now() - $1 * interval '1 millisecond' LIMIT $2))`,
          [SESSION_IDLE_MS, BATCH],
        );
        batch = done.rowCount ?? 0;
      }
      await client.query('DELETE FROM idempotency_keys WHERE expires_at < now()');
      return removed;
    } finally {
      await client.end();
    }
  }

  private start(): void {
    this.running = this.purge()
      .then((removed) => this.logger.log(`Removed ${removed} expired sessions`))
      .catch((error: unknown) => this.logger.error({ err: error }, 'Expired sessions could not be removed'));
  }
}
