import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { JobRun } from '../../jobs/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  InjectTenantRepository,
  type Tenant,
  TenantDirectory,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { HOLDER_RESUMED, HOLDER_SUSPENDED } from '../lifecycle/held.copies.js';
import { RESET_REASON } from '../provisioning/provisioning.step.js';
import { type TenantEvent, TenantEvents } from '../tenant.events.js';
import { isSentAlready, SentNotice } from './sent-notice.entity.js';
import { type OwnerContact, TenantOwners } from './tenant.owners.js';

/** Whose doings owners hear of here: people of the platform, by API or command line. What rules do, they told before. */
const PEOPLE = ['platform-admin', 'operator'];
const GOES_ALONG = [HOLDER_SUSPENDED, HOLDER_RESUMED, RESET_REASON];

/** Tells owners when somebody of the platform suspends their tenant or brings it back; not of its sandboxes, which go along. */
@Injectable()
export class StatusNotices implements OnModuleInit {
  constructor(
    @InjectTenantRepository(SentNotice) private readonly notices: TenantRepository<SentNotice>,
    private readonly events: TenantEvents,
    private readonly owners: TenantOwners,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  onModuleInit(): void {
    for (const event of ['tenant.suspended', 'tenant.resumed']) {
      this.events.on(event, (happened, run) => this.tell(happened, run));
    }
  }

  private async tell(happened: TenantEvent, { id }: JobRun): Promise<void> {
    if (!PEOPLE.includes(happened.actor_kind)) return;
    if (happened.reason !== undefined && GOES_ALONG.includes(happened.reason)) return;
    const tenant = await this.tenants.findById(happened.tenant_id);
    if (tenant) await this.runner.run(tenant, () => this.mail(tenant, happened, id));
  }

  /** Mark and mails are committed together: a second attempt finds the mark and sends nothing. */
  private async mail(tenant: Tenant, happened: TenantEvent, id: string): Promise<void> {
    try {
      await this.transaction.run(async () => {
        await this.notices.insert({ id, sentAt: new Date() });
        for (const owner of await this.owners.list()) await this.write(tenant, happened, owner);
      });
    } catch (error) {
      if (!isSentAlready(error)) throw error;
    }
  }

  private write(tenant: Tenant, { event, reason = '' }: TenantEvent, owner: OwnerContact): Promise<void> {
    const to = { address: owner.email, name: owner.name };
    const links = { action: this.links.linkFor(tenant, '/') };
    return event === 'tenant.suspended'
      ? this.mailer.send({ template: 'tenant-suspended', to, data: { tenant: tenant.name, reason }, links })
      : this.mailer.send({ template: 'tenant-resumed', to, data: { tenant: tenant.name }, links });
  }
}
