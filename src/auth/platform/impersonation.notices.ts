import { Injectable } from '@nestjs/common';
import { Mailer, MailLinks } from '../../mail/index.js';
import { InjectTenantRepository, type Tenant, type TenantRepository } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';
import type { ImpersonationRow } from './impersonation.store.js';

/** Mails to the owners of the current tenant, in the transaction of what they tell of. */
@Injectable()
export class ImpersonationNotices {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  started(tenant: Tenant, row: ImpersonationRow, user: User): Promise<void> {
    return this.send('impersonation-notice', tenant, row, user, '/audit');
  }

  requested(tenant: Tenant, row: ImpersonationRow, user: User): Promise<void> {
    return this.send('impersonation-request', tenant, row, user, '/support');
  }

  private async send(
    template: 'impersonation-notice' | 'impersonation-request',
    tenant: Tenant,
    row: ImpersonationRow,
    user: User,
    page: string,
  ): Promise<void> {
    const owners = await this.users.find({ where: { role: 'owner', status: 'active' } });
    for (const { email: address, name } of owners) {
      await this.mailer.send({
        template,
        to: { address, name },
        data: {
          admin: row.admin_name,
          user: user.name,
          reason: row.reason,
          when: (row.started_at ?? row.created_at).toUTCString(),
          minutes: String(row.minutes),
        },
        links: { action: this.links.linkFor(tenant, page) },
      });
    }
  }
}
