import { Injectable } from '@nestjs/common';
import { Mailer, MailLinks } from '../../mail/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { MailedTokens } from '../account/mailed.tokens.js';
import type { User } from './user.entity.js';

/** As long as an invitation: who was added did not ask for it and may read it late. */
const WELCOME_MS = 7 * 24 * 60 * 60 * 1000;

type Person = Pick<User, 'id' | 'email' | 'name' | 'role'>;

/** Single-use links by which a person answers a mail. Call inside the transaction of what they are about. */
@Injectable()
export class UserLinks {
  constructor(
    private readonly mailed: MailedTokens,
    private readonly context: TenantContext,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * The words of an invitation, since the person asked for nothing; the link sets a password, since the account is
   * there already.
   *
   * @param inviter as the mail calls them
   */
  async welcome(user: Person, inviter: string): Promise<void> {
    const { token, expiresAt } = await this.mailed.mint('reset-password', user, WELCOME_MS);
    await this.mailer.send({
      template: 'invitation',
      to: { address: user.email, name: user.name },
      data: { inviter, role: user.role, expires: expiresAt.toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/reset-password', { token }) },
    });
  }

  private tenant() {
    return this.context.currentOrThrow('A link');
  }
}
