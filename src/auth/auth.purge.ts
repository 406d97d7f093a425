import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DATABASE, ENV, type PreparedDatabase } from '../database/index.js';
import type { Env } from '../env/index.js';

const EVERY_MS = 60 * 60 * 1000;
const BATCH = 5000;

/** What has expired, by table. Tokens stay an hour longer: the mails of the last quarter of an hour are counted by them. */
const EXPIRED = {
  user_tokens: `expires_at < now() - interval '1 hour'`,
  devices: 'expires_at < now()',
} as const;

export type AuthPurged = Record<keyof typeof EXPIRED, number>;

/** Removes expired links, challenges and devices of all tenants, as the maintenance role. */
@Injectable()
export class AuthPurge implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('AuthPurge');
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

  /** @returns the number of rows removed; on shutdown it ends after the batch at hand, and the rest keeps */
  async purge(): Promise<AuthPurged> {
    const client = new pg.Client({ connectionString: this.database.url('maintenance') });
    await client.connect();
    try {
      return {
        user_tokens: await this.inBatches(client, 'user_tokens'),
        devices: await this.inBatches(client, 'devices'),
      };
    } finally {
      await client.end();
    }
  }

  private async inBatches(client: pg.Client, table: keyof typeof EXPIRED): Promise<number> {
    const sql = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${EXPIRED[table]} LIMIT $1))`;
    let removed = 0;
    for (let batch = BATCH; batch === BATCH && !this.stopping; removed += batch) {
      batch = (await client.query(sql, [BATCH])).rowCount ?? 0;
    }
    return removed;
  }

  private start(): void {
    this.running = this.purge()
      .then((removed) => this.logger.log(removed, 'Removed what had expired'))
      .catch((error: unknown) => this.logger.error({ err: error }, 'What has expired could not be removed'));
  }
}
