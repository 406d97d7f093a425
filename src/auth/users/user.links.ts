import { Injectable } from '@nestjs/common';
import { Mailer, MailLinks } from '../../mail/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { MailedTokens } from '../account/mailed.tokens.js';
import { UserToken } from './user-token.entity.js';
import type { User } from './user.entity.js';

/** As long as an invitation: who was added did not ask for it and may read it late. */
const WELCOME_MS = 7 * 24 * 60 * 60 * 1000;

type Person = Pick<User, 'id' | 'email' | 'name' | 'role'>;

/** Single-use links by which a person answers a mail. Call inside the transaction of what they are about. */
@Injectable()
export class UserLinks {
  constructor(
    @InjectTenantRepository(UserToken) private readonly tokens: TenantRepository<UserToken>,
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

  /** Asks the present address for a proof, and tells the one before. Links sent to that one are void from now on. */
  async addressChanged(user: Person, before: string): Promise<void> {
    for (const purpose of ['reset-password', 'verify-email'] as const) {
      await this.tokens.delete({ userId: user.id, purpose });
    }
    const { token, expiresAt } = await this.mailed.mint('verify-email', user);
    await this.mailer.send({
      template: 'verify-email',
      to: { address: user.email, name: user.name },
      data: { expires: expiresAt.toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/verify-email', { token }) },
    });
    await this.mailer.send({
      template: 'email-changed',
      to: { address: before, name: user.name },
      data: { new_email: user.email, when: new Date().toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/account') },
    });
  }

  private tenant() {
    return this.context.currentOrThrow('A link');
  }
}
