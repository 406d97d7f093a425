import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { User } from '../auth/index.js';
import { Mailer, MailLinks } from '../mail/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../tenancy/index.js';
import { DomainNotices } from '../tenant/index.js';

/** Mails to those who look after the tenant. */
@Injectable()
export class MailedDomainNotices extends DomainNotices {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly context: TenantContext,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {
    super();
  }

  async disabled({ domain, recordName, recordValue }: Parameters<DomainNotices['disabled']>[0]): Promise<void> {
    const tenant = this.context.currentOrThrow('A notice');
    const people = await this.users.find({ where: { role: In(['owner', 'admin']), status: 'active' } });
    for (const { email: address, name } of people) {
      await this.mailer.send({
        template: 'domain-disabled',
        to: { address, name },
        data: { domain, record: recordName, text: recordValue, when: new Date().toUTCString() },
        links: { action: this.links.linkFor(tenant, '/domains') },
      });
    }
  }
}
