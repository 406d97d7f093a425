import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { LinkInvalid } from '../account/account.errors.js';
import { EmailDirectory } from '../account/email.directory.js';
import { type FoundLink, MailedTokens } from '../account/mailed.tokens.js';
import { MemberMails } from '../account/member-mails.js';
import { isDuplicateOf } from './duplicates.js';
import { emailKey } from './email-key.js';
import { EmailTaken } from './user.errors.js';
import { User } from './user.entity.js';
import { UserStates } from './user-states.js';
import { UserToken } from './user-token.entity.js';

/** The fields of a user that a change of address touches. */
export type AddressFields = Pick<User, 'email' | 'pendingEmail' | 'pendingEmailBy'>;

/**
 * Another e-mail address for a user. It waits until a link sent to it comes back: until then sign-in, reset links and
 * notices stay with the address that was proven, so that asking for another takes nobody's account.
 */
@Injectable()
export class EmailChange {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(UserToken) private readonly tokens: TenantRepository<UserToken>,
    private readonly mailed: MailedTokens,
    private readonly mails: MemberMails,
    private readonly directory: EmailDirectory,
    private readonly states: UserStates,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * Holds the address, asks it for a proof and tells the present one. The present address given again withdraws what was
   * held; another case of it is taken at once. Call it in a transaction that holds the user's row.
   *
   * @returns the fields that changed, stored already; undefined when none did
   * @throws EmailTaken, TooManyMails
   */
  async ask(user: User, wanted: string, by: TenantPrincipal): Promise<AddressFields | undefined> {
    const address = wanted.trim();
    const held = { email: user.email, pendingEmail: user.pendingEmail, pendingEmailBy: user.pendingEmailBy };
    // Only letters A to Z: what else looks the same may be another mailbox.
    if (asciiLower(address) === asciiLower(user.email)) {
      if (address === user.email && user.pendingEmail === null) return undefined;
      return this.store(user, { email: address, pendingEmail: null, pendingEmailBy: null });
    }
    const key = emailKey(address);
    if (key !== user.emailKey && (await this.users.exists({ emailKey: key }))) throw new EmailTaken();
    await this.mails.count(emailKey(address));
    const fields = await this.store(user, { ...held, pendingEmail: address, pendingEmailBy: by.id });
    await this.send(user, address);
    return fields;
  }

  /**
   * Puts the address of a link in the place of the one before. Links sent to that one are void from now on.
   *
   * @throws LinkInvalid, EmailTaken
   */
  async complete(link: FoundLink): Promise<void> {
    const { user, email } = link;
    try {
      await this.transaction.run(async () => {
        await this.users.findOne({ where: { id: user.id }, lock: { mode: 'pessimistic_write' } });
        await this.mailed.redeem(link);
        const now = new Date();
        const key = emailKey(email);
        const changed = await this.users.update(
          { id: user.id, pendingEmail: email, status: 'active' },
          { email, emailKey: key, emailVerifiedAt: now, pendingEmail: null, pendingEmailBy: null, updatedAt: now },
        );
        if (changed !== 1) throw new LinkInvalid();
        await this.voidLinks(user.id);
        await this.states.changed(user.id);
        await this.directory.changed(user.emailKey, key);
        await this.tellOld('email-changed', user, email);
        await this.audit.record({
          event: 'user.email-changed',
          target: { kind: 'user', id: user.id },
          before: { email: user.email },
          after: { email },
        });
      });
    } catch (error) {
      throw isDuplicateOf('users_email_key', error) ? new EmailTaken() : error;
    }
  }

  private async store(user: User, fields: AddressFields): Promise<AddressFields> {
    await this.users.update({ id: user.id }, { ...fields, updatedAt: new Date() });
    await this.tokens.delete({ userId: user.id, purpose: 'verify-email' });
    await this.states.changed(user.id);
    return fields;
  }

  private async send(user: User, address: string): Promise<void> {
    const { token, expiresAt } = await this.mailed.mint('verify-email', { id: user.id, email: address });
    await this.mailer.send({
      template: 'verify-email',
      to: { address, name: user.name },
      data: { expires: expiresAt.toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/verify-email', { token }) },
    });
    await this.tellOld('email-change-requested', user, address);
  }

  private tellOld(template: 'email-changed' | 'email-change-requested', user: User, next: string): Promise<void> {
    return this.mailer.send({
      template,
      to: { address: user.email, name: user.name },
      data: { new_email: next, when: new Date().toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/account') },
    });
  }

  private async voidLinks(userId: string): Promise<void> {
    for (const purpose of ['reset-password', 'verify-email'] as const) await this.tokens.delete({ userId, purpose });
  }

  private tenant() {
    return this.context.currentOrThrow('A change of address');
  }
}

function asciiLower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
