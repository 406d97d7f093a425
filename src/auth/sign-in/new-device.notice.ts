import { Injectable } from '@nestjs/common';
import { Mailer, MailLinks } from '../../mail/index.js';
import { TenantContext } from '../../tenancy/index.js';
import type { User } from '../users/user.entity.js';
import type { Client } from './token.pairs.js';

/** Tells a person by mail of a sign-in from where they are not known. */
@Injectable()
export class NewDeviceNotice {
  constructor(
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
    private readonly context: TenantContext,
  ) {}

  /** Call it in the unit of work of the sign-in. */
  async send(user: User, client: Client): Promise<void> {
    const tenant = this.context.currentOrThrow('A sign-in');
    await this.mailer.send({
      template: 'new-device',
      to: { address: user.email, name: user.name },
      data: {
        when: new Date().toUTCString(),
        device: client.agent,
        ...(client.address && { address: client.address }),
      },
      links: { action: this.links.linkFor(tenant, '/account/devices') },
    });
  }
}
