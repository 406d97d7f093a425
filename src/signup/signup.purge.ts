import { Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { type JobRun, PlatformCron } from '../jobs/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';

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
export class SignupPurge {
  private readonly logger = new Logger('SignupPurge');

  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  @PlatformCron('signups.purge', '37 * * * *')
  async hourly({ signal }: JobRun): Promise<void> {
    this.logger.log(`Removed ${await this.purge(signal)} rows of sign-ups that are over`);
  }

  /** @returns the number of rows removed; aborted, it ends after the batch at hand, and the rest keeps */
  async purge(signal?: AbortSignal): Promise<number> {
    let removed = 0;
    for (const sql of EXPIRED) {
      for (let batch = BATCH; batch === BATCH && !signal?.aborted; removed += batch) {
        [, batch] = await this.platform.query<[unknown[], number]>(sql, [BATCH]);
      }
    }
    return removed;
  }
}
