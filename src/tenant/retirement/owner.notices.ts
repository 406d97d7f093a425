import { Inject, Injectable, Logger } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  InjectTenantRepository,
  PlaceLanes,
  type Tenant,
  TenantDirectory,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { type ClaimedNotice, RetirementStore } from './retirement.store.js';
import { isSentAlready, SentNotice } from './sent-notice.entity.js';
import { type OwnerContact, TenantOwners } from './tenant.owners.js';

/** Taken at once, and in one run at most. */
const BATCH = 50;
const MOST = 2000;
/** After that another process may try, in ms; also how long a notice that failed waits. */
const LEASE_MS = 10 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Tells owners what the rules are going to do to their tenant, in mails of that tenant. */
@Injectable()
export class OwnerNotices {
  private readonly logger = new Logger('Notices');
  private readonly lanes = new PlaceLanes();

  constructor(
    @Inject(ENV) private readonly env: Env,
    @InjectTenantRepository(SentNotice) private readonly notices: TenantRepository<SentNotice>,
    private readonly store: RetirementStore,
    private readonly owners: TenantOwners,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * Sends what waits. A failure keeps no other notice waiting, nor does a place that cannot be reached; it is tried again,
   * and its act waits with it.
   *
   * @returns how many notices went out
   */
  async send(signal?: AbortSignal): Promise<number> {
    let sent = 0;
    const underWay: Promise<void>[] = [];
    for (let taken = 0; taken < MOST && !signal?.aborted;) {
      const batch = await this.store.claim(Math.min(BATCH, MOST - taken), LEASE_MS);
      if (batch.length === 0) break;
      taken += batch.length;
      for (const notice of batch) {
        underWay.push(this.attempt(notice, signal).then((out) => void (sent += out ? 1 : 0)));
      }
    }
    await Promise.all(underWay);
    return sent;
  }

  private async attempt(notice: ClaimedNotice, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const tenant = await this.tenants.findById(notice.tenantId);
      if (!tenant) return false;
      return await this.lanes.run(tenant.placement, async () => {
        // What is left over of the batch is sent once its lease has run out.
        if (signal?.aborted) return false;
        await this.runner.run(tenant, () => this.mail(tenant, notice));
        await this.store.sent(notice.id);
        return true;
      });
    } catch (error) {
      this.logger.error(
        { err: error, tenant_id: notice.tenantId, act: notice.act },
        'Owners could not be told; it will be tried again',
      );
      return false;
    }
  }

  /** Mark and mails are committed together: whoever comes second finds the mark and sends nothing. */
  private async mail(tenant: Tenant, notice: ClaimedNotice): Promise<void> {
    try {
      await this.transaction.run(async () => {
        await this.notices.insert({ id: notice.id, sentAt: new Date() });
        for (const owner of await this.owners.list()) await this.write(tenant, notice, owner);
      });
    } catch (error) {
      if (!isSentAlready(error)) throw error;
    }
  }

  private write(tenant: Tenant, { act, at }: ClaimedNotice, owner: OwnerContact): Promise<void> {
    const to = { address: owner.email, name: owner.name };
    const data = { tenant: tenant.name, date: at.toUTCString() };
    const home = { action: this.links.linkFor(tenant, '/') };
    // An archived tenant has no address of its own any more.
    const platform = { action: this.links.platformLink('/') };
    switch (act) {
      case 'suspend':
        return this.mailer.send({ template: 'trial-ends', to, data, links: home });
      case 'suspended':
        return this.mailer.send({ template: 'trial-ended', to, data, links: home });
      case 'archive':
        return this.mailer.send({ template: 'archive-ahead', to, data, links: home });
      case 'schedule': {
        const erased = new Date(at.getTime() + this.env.tenantDeletionGraceDays * DAY_MS).toUTCString();
        return this.mailer.send({ template: 'deletion-ahead', to, data: { ...data, erased }, links: platform });
      }
      case 'purge':
        return this.mailer.send({ template: 'erasure-ahead', to, data, links: platform });
    }
  }
}
