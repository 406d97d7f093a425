import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { InjectPlatformDataSource } from '../tenancy/index.js';

const EVERY_MS = 60 * 60 * 1000;
const BATCH = 5000;

/** What nobody can use any more. Sign-ups stay an hour longer, so that an old link can still say that it has expired. */
const EXPIRED = [
  `DELETE FROM slug_holds WHERE ctid = ANY (ARRAY(SELECT ctid FROM slug_holds WHERE expires_at < now() LIMIT $1))`,
  `DELETE FROM signups WHERE ctid = ANY (ARRAY(SELECT ctid FROM signups
    WHERE expires_at < now() - interval '1 hour' AND (tenant_id IS NULL OR confirmed_at < now() - interval '1 day')
    LIMIT $1))`,
  `DELETE FROM signup_invites WHERE ctid = ANY (ARRAY(SELECT ctid FROM signup_invites
    WHERE expires_at < now() - interval '90 days' LIMIT $1))`,
];

/** Removes sign-ups that came to nothing, with the passwords they were begun with, and those that are long done. */
@Injectable()
export class SignupPurge implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('SignupPurge');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private stopping = false;

  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping = true;
    await this.running;
  }

  /** @returns the number of rows removed; on shutdown it ends after the batch at hand, and the rest keeps */
  async purge(): Promise<number> {
    let removed = 0;
    for (const sql of EXPIRED) {
      for (let batch = BATCH; batch === BATCH && !this.stopping; removed += batch) {
        [, batch] = await this.platform.query<[unknown[], number]>(sql, [BATCH]);
      }
    }
    return removed;
  }

  private start(): void {
    this.running = this.purge()
      .then((removed) => this.logger.log(`Removed ${removed} rows of sign-ups that are over`))
      .catch((error: unknown) => this.logger.error({ err: error }, 'Sign-ups that are over could not be removed'));
  }
}
