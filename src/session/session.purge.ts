import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DATABASE, ENV, type PreparedDatabase } from '../database/index.js';
import type { Env } from '../env/index.js';
import { SESSION_IDLE_MS } from './session.service.js';

const EVERY_MS = 60 * 60 * 1000;
const BATCH = 5000;

/** Removes expired sessions (with their messages) and idempotency keys, as the maintenance role. */
@Injectable()
export class SessionPurge implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('SessionPurge');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private stopping = false;

  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    @Inject(ENV) private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    if (this.env.role === 'api') return;
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping = true;
    await this.running;
  }

  /** @returns the number of sessions removed; on shutdown it ends after the batch at hand, and the rest keeps */
  async purge(): Promise<number> {
    const client = new pg.Client({ connectionString: this.database.url('maintenance') });
    await client.connect();
    try {
      const removed = await this.inBatches(
        client,
        `DELETE FROM chat_sessions WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM chat_sessions WHERE last_active_at < now() - $2 * interval '1 millisecond' LIMIT $1))`,
        [SESSION_IDLE_MS],
      );
      await this.inBatches(
        client,
        `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM idempotency_keys WHERE expires_at < now() LIMIT $1))`,
      );
      return removed;
    } finally {
      await client.end();
    }
  }

  /** @param sql removes at most $1 rows; `values` are $2 and on */
  private async inBatches(client: pg.Client, sql: string, values: unknown[] = []): Promise<number> {
    let removed = 0;
    for (let batch = BATCH; batch === BATCH && !this.stopping; removed += batch) {
      batch = (await client.query(sql, [BATCH, ...values])).rowCount ?? 0;
    }
    return removed;
  }

  private start(): void {
    this.running = this.purge()
      .then((removed) => this.logger.log(`Removed ${removed} expired sessions`))
      .catch((error: unknown) => this.logger.error({ err: error }, 'Expired sessions could not be removed'));
  }
}
